#ifndef SLUICE_SERVER_CATALOG_SQLITE_STATUS_H_
#define SLUICE_SERVER_CATALOG_SQLITE_STATUS_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include <SQLiteCpp/Exception.h>

#include "pipeline/async/status_error.h"

namespace sluice {

// What a failure of SQLite means to those who use the catalog: the one place that knows its codes.
absl::Status SqliteStatus(const SQLite::Exception& error);

// The boundary between code that throws, SQLite::Exception or like spools StatusError, and the
// catalog's callers: the result of `fn`, a Status or a StatusOr, or the status of what it threw.
template <typename Fn>
std::invoke_result_t<Fn> CatchSqlite(Fn&& fn) {
  try {
    return std::forward<Fn>(fn)();
  } catch (const SQLite::Exception& error) {
    return SqliteStatus(error);
  } catch (const StatusError& error) {
    return error.status();
  }
}

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_STATUS_H_
