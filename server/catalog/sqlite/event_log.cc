#include "server/catalog/sqlite/event_log.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "server/catalog/sqlite/rows.h"

namespace sluice {
namespace {

// ?1 and ?2: the range of keys in which the chunk may begin that holds the first event.
constexpr char kSelectChunks[] =
    "SELECT key, count, kinds, checksum, body FROM event_chunk WHERE key BETWEEN"
    " coalesce((SELECT key FROM event_chunk WHERE key BETWEEN ?1 AND ?2"
    " ORDER BY key DESC LIMIT 1), ?2) AND ?3 AND (kinds & ?4) <> 0 ORDER BY key";

std::size_t BytesOf(const EventRecord& event) {
  if (const auto* file = std::get_if<FileEntry>(&event.event)) return file->path.size();
  return std::get<EventPayload>(event.event).payload.size();
}

}  // namespace

absl::Status CheckSequences(std::uint64_t last_stored, const JobRecord& job,
                            std::span<const EventRecord> events) {
  std::uint64_t last = last_stored;
  for (const EventRecord& event : events) {
    if (event.sequence != last + 1) {
      return absl::InternalError(absl::StrCat("job ", job.id, ": event ", event.sequence,
                                              " does not follow event ", last));
    }
    ++last;
  }
  if (last != job.last_sequence) {
    return absl::InternalError(absl::StrCat("job ", job.id, ": the last event is ", last,
                                            ", the job says ", job.last_sequence));
  }
  if (last > kMaxSequence) {
    return absl::ResourceExhaustedError(absl::StrCat("job ", job.id, " has too many events"));
  }
  return absl::OkStatus();
}

void InsertEvents(Connection& connection, std::int64_t job, std::span<const EventRecord> events) {
  EventChunk chunk;
  Query insert(
      connection.Prepare("INSERT INTO event_chunk (key, count, kinds, checksum, body)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)"));
  for (; !events.empty(); events = events.subspan(chunk.count)) {
    EncodeChunk(events, chunk);
    const std::int64_t key = EventKey(job, chunk.first_sequence);
    insert.Bind(key).Bind(chunk.count).BindUnsigned(chunk.kinds);
    insert.Bind(ChecksumOf(key, chunk.count, chunk.body)).BindBytes(chunk.body).Run();
  }
}

EventCursor::EventCursor(Connection& connection, const EventRange& range, std::uint64_t kinds)
    : range_(range), query_(connection.Prepare(kSelectChunks)) {
  query_.Bind(EventKey(range.job, 0)).Bind(EventKey(range.job, range.first));
  query_.Bind(EventKey(range.job, range.last)).BindUnsigned(kinds);
}

bool EventCursor::NextChunk() {
  while (query_.Next()) {
    const std::int64_t key = query_.Integer(0);
    const std::uint64_t first = SequenceOfKey(key);
    const std::uint64_t count = query_.Unsigned(1);
    if (count == 0 || count > EventChunk::kMaxEvents) ThrowDamaged("count of a chunk");
    const std::uint64_t begin = std::max(first, range_.first);
    const std::uint64_t end = std::min(first + count, range_.last + 1);
    if (begin >= end) continue;
    chunk_.emplace(first, static_cast<std::uint32_t>(count), CheckedBody(query_, key, count, 4));
    left_ = end - begin;
    return true;
  }
  return false;
}

bool EventCursor::Next(EventRecord& event) {
  if (left_ == 0) return false;
  do {
    if (!chunk_->Next(event)) ThrowDamaged("chunk of events");
  } while (event.sequence < range_.first);
  --left_;
  return true;
}

EventChunk EventCursor::CopyChunk() const {
  return {.first_sequence = SequenceOfKey(query_.Integer(0)),
          .count = static_cast<std::uint32_t>(query_.Integer(1)),
          .kinds = query_.Unsigned(2),
          .body = std::string(query_.Bytes(4))};
}

std::vector<EventRecord> ReadPage(EventCursor& cursor, std::size_t limit,
                                  absl::FunctionRef<bool(const EventRecord&)> matches) {
  std::vector<EventRecord> page;
  std::size_t bytes = 0;
  EventRecord event;
  while (cursor.NextChunk()) {
    if (!page.empty() && cursor.left() > limit - page.size()) return page;
    if (page.empty()) page.reserve(std::min<std::uint64_t>(limit, cursor.left()));
    while (page.size() < limit && bytes <= Catalog::kPageBytes && cursor.Next(event)) {
      if (!matches(event)) continue;
      bytes += BytesOf(event);
      page.push_back(std::move(event));
    }
    if (page.size() >= limit || bytes > Catalog::kPageBytes) return page;
  }
  return page;
}

}  // namespace sluice
