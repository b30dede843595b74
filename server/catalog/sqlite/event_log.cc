#include "server/catalog/sqlite/event_log.h"

#include <cstddef>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"

#include "server/catalog/sqlite/rows.h"

namespace sluice {

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
  static const std::string file_sql =
      absl::StrCat("INSERT INTO file (key, time_ns, ", kFileColumns,
                   ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)");
  Query file_row(connection.Prepare(file_sql));
  Query event_row(connection.Prepare(
      "INSERT INTO event (key, time_ns, kind, payload) VALUES (?1, ?2, ?3, ?4)"));
  for (const EventRecord& event : events) {
    const std::int64_t key = EventKey(job, event.sequence);
    if (const auto* file = std::get_if<FileEntry>(&event.event)) {
      file_row.Bind(key).Bind(event.time_ns);
      BindFile(file_row, *file);
      file_row.Run();
    } else {
      const auto& payload = std::get<EventPayload>(event.event);
      event_row.Bind(key).Bind(event.time_ns).Bind(payload.kind).BindBytes(payload.payload);
      event_row.Run();
    }
  }
}

std::vector<EventRecord> ReadPage(Query& query) {
  std::vector<EventRecord> page;
  std::size_t bytes = 0;
  while (bytes <= Catalog::kPageBytes && query.Next()) {
    EventRecord& event = page.emplace_back();
    event.sequence = SequenceOfKey(query.Integer(0));
    event.time_ns = query.Integer(1);
    if (query.IsNull(2)) {
      const FileEntry& file = event.event.emplace<FileEntry>(ReadFile(query, 4));
      bytes += file.path.size();
    } else {
      auto& payload = event.event.emplace<EventPayload>();
      payload.kind = static_cast<std::uint32_t>(query.Integer(2));
      payload.payload = query.Bytes(3);
      bytes += payload.payload.size();
    }
  }
  return page;
}

}  // namespace sluice
