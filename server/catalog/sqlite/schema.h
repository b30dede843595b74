#ifndef SLUICE_SERVER_CATALOG_SQLITE_SCHEMA_H_
#define SLUICE_SERVER_CATALOG_SQLITE_SCHEMA_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"

#include "server/catalog/sqlite/connection.h"

namespace sluice {

// "SLIC", in the header of every catalog (PRAGMA application_id): tells it from other databases.
inline constexpr std::int32_t kApplicationId = 0x534c4943;

// One step of the schema: the script that leads from the version before it to `version` (PRAGMA
// user_version), and what SQL cannot say, done after it.
struct Migration {
  std::int64_t version;
  const char* script;
  void (*then)(Connection&) = nullptr;
};

// All of them, by version: 1, 2, 3 ... A step that was released is never changed.
std::span<const Migration> Migrations();

// FAILED_PRECONDITION, naming both versions, when the catalog is of a newer one than `migrations`
// lead to. Writes nothing. Errors: SQLite::Exception.
absl::Status CheckVersion(Connection& connection, std::span<const Migration> migrations);

// Applies the steps that are missing, each in a transaction of its own together with its version:
// a crash leaves a whole version. Errors: SQLite::Exception.
void Migrate(Connection& connection, std::span<const Migration> migrations);

// DATA_LOSS when a table of its version is missing or, in a file of at most kFullCheckBytes, PRAGMA
// quick_check finds damage. Bigger files are not read whole: a catalog of millions of files would
// take minutes to open, each time; their damage is found, as DATA_LOSS too, when the page is read
// that has it. Writes nothing. Errors: SQLite::Exception.
inline constexpr std::int64_t kFullCheckBytes = std::int64_t{32} * 1024 * 1024;
absl::Status CheckStructure(Connection& connection);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_SCHEMA_H_
