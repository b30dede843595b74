#ifndef SLUICE_SERVER_CATALOG_SQLITE_CATALOG_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CATALOG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "server/catalog/catalog.h"

namespace sluice {

// Opens, or creates, the embedded catalog in `data_directory` (which exists): SQLite in WAL mode,
// one connection that writes, one that merges its log beside it, a bounded pool that reads.
//
//   catalog.sqlite   the database, with its -wal (at most about 64 MiB) and -shm
//   tmp/             emptied when the catalog is opened; for what need not outlive the process
//   LOCK             held by the process that has the catalog, whose id it names
//
// A crash of the process loses nothing that was committed. A power cut may take the newest events
// of jobs that had not ended, back to the last sync, which each beginning and end of a job does.
//
// Errors: FAILED_PRECONDITION when another process has the directory, when the file is of a newer
// schema, or when the directory cannot be written; DATA_LOSS when the file is damaged or no
// catalog. A file that is refused is left as it is. Process-wide: SQLite's directory for temporary
// files is set to tmp/ of the catalog opened last.
absl::StatusOr<std::unique_ptr<Catalog>> OpenSqliteCatalog(const std::string& data_directory);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CATALOG_H_
