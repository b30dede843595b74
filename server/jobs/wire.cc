#include "server/jobs/wire.h"

#include <cstddef>
#include <variant>

#include "server/jobs/convert.h"
#include "server/jobs/errors.h"
#include "server/jobs/wire_fields.h"
#include "sluice/v1/event.pb.h"

namespace sluice {
namespace {

// A JobEvent; `content(fields)` names the field of its oneof.
template <typename Content>
void AppendJobEvent(int field_number, const EventRecord& record, const Content& content,
                    std::string& bytes) {
  const TimeFields time(record.time_ns);
  const auto event = [&](auto& fields) {
    fields.Varint(v1::JobEvent::kSequenceFieldNumber, record.sequence);
    fields.Message(v1::JobEvent::kEventTimeFieldNumber, time);
    content(fields);
  };
  AppendFields([&](auto& fields) { fields.Message(field_number, event); }, bytes);
}

}  // namespace

void AppendFile(int field_number, const FileEntry& file, std::string& bytes) {
  const FileFields record(file);
  AppendFields([&](auto& fields) { fields.Message(field_number, record); }, bytes);
}

absl::Status AppendEvent(int field_number, const EventRecord& record, std::string& bytes) {
  if (const auto* file = std::get_if<FileEntry>(&record.event)) {
    const FileFields content(*file);
    AppendJobEvent(
        field_number, record,
        [&](auto& fields) { fields.Message(v1::JobEvent::kFileFieldNumber, content); }, bytes);
    return absl::OkStatus();
  }
  const auto& payload = std::get<EventPayload>(record.event);
  if (!IsEventKind(payload.kind)) return DamagedEventError(record);
  const auto number = static_cast<int>(payload.kind);
  AppendJobEvent(
      field_number, record, [&](auto& fields) { fields.Present(number, payload.payload); }, bytes);
  return absl::OkStatus();
}

void AppendBytes(int field_number, const std::string& value, std::string& bytes) {
  AppendFields([&](auto& fields) { fields.Present(field_number, value); }, bytes);
}

void AppendUint64(int field_number, std::uint64_t value, std::string& bytes) {
  AppendFields([&](auto& fields) { fields.Varint(field_number, value); }, bytes);
}

std::string FieldPrefix(int field_number, std::size_t size) {
  constexpr std::size_t kLongestPrefix = 15;  // Varints of 32 and of 64 bits.
  std::string prefix(kLongestPrefix, '\0');
  auto* const begin = reinterpret_cast<std::uint8_t*>(prefix.data());
  FieldWriter writer(begin);
  writer.Prefix(field_number, size);
  prefix.resize(static_cast<std::size_t>(writer.end() - begin));
  return prefix;
}

}  // namespace sluice
