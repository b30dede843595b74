#ifndef SLUICE_SERVER_CATALOG_SQLITE_EVENT_LOG_H_
#define SLUICE_SERVER_CATALOG_SQLITE_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "server/catalog/catalog.h"
#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/event_chunk.h"

// The table of chunks of events: the jobs' logs.
// Errors beside those named: SQLite::Exception.
namespace sluice {

// INTERNAL unless the sequences go on where the stored ones end, and the job says where they end
// now.
absl::Status CheckSequences(std::uint64_t last_stored, const JobRecord& job,
                            std::span<const EventRecord> events);

void InsertEvents(Connection& connection, std::int64_t job, std::span<const EventRecord> events);

// Events of a job, by its number.
struct EventRange {
  std::int64_t job = 0;
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

// Reads chunks of events in order: those that hold events of a range, passing over those that have
// nothing of the kinds wanted (see EventChunk::kinds).
//
//   EventCursor cursor(connection, range);
//   while (cursor.NextChunk()) {
//     while (cursor.Next(event)) ...
//   }
//
// Not thread-safe, one at a time on a connection. Lifetime: the connection outlives it.
class EventCursor final {
 public:
  EventCursor(Connection& connection, const EventRange& range,
              std::uint64_t kinds = EventChunk::kAllBits);

  // False at the end.
  bool NextChunk();
  // Events of the range, at most, that the chunk still has.
  std::uint64_t left() const { return left_; }
  // The chunk's next event of the range, in the memory of `event`; false at its end.
  bool Next(EventRecord& event);

  // The chunk as it is stored, for a reader that takes its time.
  EventChunk CopyChunk() const;

 private:
  const EventRange range_;
  Query query_;
  std::optional<EventChunkReader> chunk_;
  std::uint64_t left_ = 0;
};

// The events that match, until there are `limit` or kPageBytes are exceeded; or until there is one
// at least and the next chunk might not fit: whoever reads page after page decodes no chunk twice.
std::vector<EventRecord> ReadPage(EventCursor& cursor, std::size_t limit,
                                  absl::FunctionRef<bool(const EventRecord&)> matches);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_EVENT_LOG_H_
