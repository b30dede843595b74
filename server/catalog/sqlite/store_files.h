#ifndef SLUICE_SERVER_CATALOG_SQLITE_STORE_FILES_H_
#define SLUICE_SERVER_CATALOG_SQLITE_STORE_FILES_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/catalog/sqlite/connection.h"

// The files in the data directory, and how a store is opened without doing harm to one that should
// be refused.
namespace sluice {

struct StorePaths {
  explicit StorePaths(const std::string& data_directory)
      : directory(data_directory),
        database(data_directory + "/catalog.sqlite"),
        temporary(data_directory + "/tmp") {}

  std::string directory;
  std::string database;   // Beside it its -wal and -shm.
  std::string temporary;  // A directory for what need not outlive the process.
};

// Makes the directory for temporary files, or empties it of what a crash has left.
absl::Status PrepareTemporaryDirectory(const std::string& path);

// Opens the database for writing; where there is none, makes one, which appears under its name only
// when it is complete, so that an empty or short file is always damage and never a new beginning.
// Brings the schema up to date. Everything is checked before anything is written.
// REQUIRES: the directory is locked, and the process has no other descriptor of the database (the
// check closes one, and with it POSIX drops all locks of the process on the file).
// Errors: as OpenSqliteCatalog; SQLite::Exception.
absl::StatusOr<std::unique_ptr<Connection>> OpenStore(const StorePaths& paths, int cache_kib);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_STORE_FILES_H_
