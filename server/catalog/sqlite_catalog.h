#ifndef SLUICE_SERVER_CATALOG_SQLITE_CATALOG_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CATALOG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "server/catalog/catalog.h"

namespace sluice {

// Opens, or creates, the embedded catalog in `data_directory` (which exists): SQLite in WAL mode,
// one connection that writes, a bounded pool that reads.
//
// The directory is locked for this process. Errors: FAILED_PRECONDITION when another process has
// it, when the file is of a newer schema, or when the directory cannot be written; DATA_LOSS when
// the file is damaged or no catalog. A file that is refused is left as it is.
absl::StatusOr<std::unique_ptr<Catalog>> OpenSqliteCatalog(const std::string& data_directory);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CATALOG_H_
