#ifndef SLUICE_SERVER_CATALOG_SQLITE_CONTENT_LOG_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CONTENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipeline/stages/known_content.h"
#include "server/catalog/sqlite/connection.h"

// The table of chunks of contents: what jobs have found out. Errors: SQLite::Exception.
namespace sluice {

void InsertContents(Connection& connection, std::int64_t job,
                    std::span<const KnownContent> contents);

// Some chunks of a job's contents, by its number, and where the next ones begin.
struct ContentSlice {
  std::vector<std::string> chunks;  // For ContentChunkReader. None: that was all.
  std::uint64_t next = 0;
};
// From `first` on (0: from the beginning), until `max_bytes` are exceeded. None of a job whose
// contents were given up.
ContentSlice ReadContents(Connection& connection, std::int64_t job, std::uint64_t first,
                          std::size_t max_bytes);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CONTENT_LOG_H_
