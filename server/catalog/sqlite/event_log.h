#ifndef SLUICE_SERVER_CATALOG_SQLITE_EVENT_LOG_H_
#define SLUICE_SERVER_CATALOG_SQLITE_EVENT_LOG_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"

#include "server/catalog/catalog.h"
#include "server/catalog/sqlite/connection.h"

// The tables of files and of other events, which together are the jobs' logs.
// Errors beside those named: SQLite::Exception.
namespace sluice {

// INTERNAL unless the sequences go on where the stored ones end, and the job says where they end
// now.
absl::Status CheckSequences(std::uint64_t last_stored, const JobRecord& job,
                            std::span<const EventRecord> events);

void InsertEvents(Connection& connection, std::int64_t job, std::span<const EventRecord> events);

// What ReadPage reads: rows of key, time_ns, kind (NULL: a file), payload, and for files their
// columns. Files and other events each come by key.
inline constexpr char kFileEventColumns[] = "key, time_ns, NULL AS kind, NULL AS payload, ";
inline constexpr char kPayloadEventColumns[] = "key, time_ns, kind, payload";

// The rows of a query, until kPageBytes are exceeded.
std::vector<EventRecord> ReadPage(Query& query);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_EVENT_LOG_H_
