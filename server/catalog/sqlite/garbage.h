#ifndef SLUICE_SERVER_CATALOG_SQLITE_GARBAGE_H_
#define SLUICE_SERVER_CATALOG_SQLITE_GARBAGE_H_

#include <cstddef>
#include <cstdint>

#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/jobs.h"

// Events and contents that nobody can read any more, and which still take space: ranges of keys of
// events that do not overlap, and jobs whose contents are given up. To delete a hundred million
// events takes long; to note them takes two rows, in the transaction that deletes or expires their
// job, so that a crash forgets none of them.
// Errors: SQLite::Exception.
namespace sluice {

// All events and contents that a job still has. REQUIRES: no reader finds its events any more, nor
// is anything appended to it.
void DiscardLog(Connection& connection, const StoredJob& job);

// Deletes chunks that were discarded, until they held `max_events` events or contents; one at
// least. Returns whether there are more.
bool PurgeDiscarded(Connection& connection, std::size_t max_events);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_GARBAGE_H_
