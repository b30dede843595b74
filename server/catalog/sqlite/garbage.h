#ifndef SLUICE_SERVER_CATALOG_SQLITE_GARBAGE_H_
#define SLUICE_SERVER_CATALOG_SQLITE_GARBAGE_H_

#include <cstddef>
#include <cstdint>

#include "server/catalog/sqlite/connection.h"

// Events that nobody can read any more, and which still take space: ranges of keys that do not
// overlap. To delete a hundred million rows takes minutes; to note their range takes one row, in
// the transaction that deletes or expires their job, so that a crash forgets none of them.
// Errors: SQLite::Exception.
namespace sluice {

// The events of a job, by its number, from `first_sequence` to `last_sequence`; none, if the latter
// is smaller. REQUIRES: no reader finds them any more, and none of them was discarded before.
void DiscardEvents(Connection& connection, std::int64_t job, std::uint64_t first_sequence,
                   std::uint64_t last_sequence);

// Deletes up to `max_rows` events that were discarded. Returns whether there are more.
bool PurgeEvents(Connection& connection, std::size_t max_rows);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_GARBAGE_H_
