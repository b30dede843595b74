#include "server/jobs/convert.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

#include "server/jobs/convert_outcome.h"
#include "server/jobs/convert_parts.h"
#include "server/jobs/convert_plan.h"
#include "server/jobs/errors.h"

namespace sluice {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

constexpr EnumTable<FileType, v1::FileType, 7> kFileTypes = {{
    {FileType::kRegular, v1::FILE_TYPE_REGULAR},
    {FileType::kDirectory, v1::FILE_TYPE_DIRECTORY},
    {FileType::kSymlink, v1::FILE_TYPE_SYMLINK},
    {FileType::kFifo, v1::FILE_TYPE_FIFO},
    {FileType::kSocket, v1::FILE_TYPE_SOCKET},
    {FileType::kCharacterDevice, v1::FILE_TYPE_CHARACTER_DEVICE},
    {FileType::kBlockDevice, v1::FILE_TYPE_BLOCK_DEVICE},
}};

constexpr EnumTable<SkippedItem::Reason, v1::SkippedItem::Reason, 8> kSkipReasons = {{
    {SkippedItem::Reason::kType, v1::SkippedItem::REASON_TYPE},
    {SkippedItem::Reason::kSize, v1::SkippedItem::REASON_SIZE},
    {SkippedItem::Reason::kGlob, v1::SkippedItem::REASON_GLOB},
    {SkippedItem::Reason::kHidden, v1::SkippedItem::REASON_HIDDEN},
    {SkippedItem::Reason::kMount, v1::SkippedItem::REASON_MOUNT},
    {SkippedItem::Reason::kDepth, v1::SkippedItem::REASON_DEPTH},
    {SkippedItem::Reason::kTime, v1::SkippedItem::REASON_TIME},
    {SkippedItem::Reason::kProtected, v1::SkippedItem::REASON_PROTECTED},
}};

// Of values that ask for the same, the first row is the one that is answered with.
constexpr EnumTable<DigestAlgorithm, v1::DigestAlgorithm, 4> kAlgorithms = {{
    {DigestAlgorithm::kSha256, v1::DIGEST_ALGORITHM_SHA256},
    {DigestAlgorithm::kSha256, v1::DIGEST_ALGORITHM_UNSPECIFIED},
    {DigestAlgorithm::kBlake2b256, v1::DIGEST_ALGORITHM_BLAKE2B_256},
    {DigestAlgorithm::kXxh3_128, v1::DIGEST_ALGORITHM_XXH3_128},
}};

struct ItemErrorTerms {
  absl::StatusCode code;
  std::string_view reason;
};

ItemErrorTerms TermsOf(ItemError::Reason reason) {
  switch (reason) {
    case ItemError::Reason::kVanished:
      return {absl::StatusCode::kNotFound, "ITEM_VANISHED"};
    case ItemError::Reason::kChanged:
      return {absl::StatusCode::kAborted, "ITEM_CHANGED"};
    case ItemError::Reason::kUnstable:
      return {absl::StatusCode::kAborted, "ITEM_UNSTABLE"};
    case ItemError::Reason::kPermissionDenied:
      return {absl::StatusCode::kPermissionDenied, "ITEM_PERMISSION_DENIED"};
    case ItemError::Reason::kIo:
      return {absl::StatusCode::kUnavailable, "ITEM_IO_ERROR"};
  }
  return {absl::StatusCode::kUnknown, "ITEM_IO_ERROR"};
}

}  // namespace

static void SetTime(std::int64_t unix_ns, google::protobuf::Timestamp& time) {
  std::int64_t seconds = unix_ns / kNanosPerSecond;
  std::int64_t nanos = unix_ns % kNanosPerSecond;
  if (nanos < 0) {  // Before 1970: nanos still count forward.
    --seconds;
    nanos += kNanosPerSecond;
  }
  time.set_seconds(seconds);
  time.set_nanos(static_cast<std::int32_t>(nanos));
}

google::protobuf::Timestamp ToTimestamp(std::int64_t unix_ns) {
  google::protobuf::Timestamp time;
  SetTime(unix_ns, time);
  return time;
}

std::int64_t FromTimestamp(const google::protobuf::Timestamp& time) {
  return time.seconds() * kNanosPerSecond + time.nanos();
}

google::protobuf::Duration ToDuration(std::int64_t ns) {
  google::protobuf::Duration duration;
  duration.set_seconds(ns / kNanosPerSecond);
  duration.set_nanos(static_cast<std::int32_t>(ns % kNanosPerSecond));
  return duration;
}

std::int64_t FromDuration(const google::protobuf::Duration& duration) {
  return duration.seconds() * kNanosPerSecond + duration.nanos();
}

v1::FileType ToProto(FileType type) { return ToProto(kFileTypes, type); }

void ToProto(const FileEntry& file, v1::FileRecord& record) {
  SetPath(file.path, record);
  record.set_type(ToProto(file.stat.type));
  record.set_size(file.stat.size);
  record.set_allocated_bytes(file.stat.allocated_bytes);
  SetTime(file.stat.modify_time_ns, *record.mutable_modify_time());
  SetTime(file.stat.change_time_ns, *record.mutable_change_time());
  record.set_device(file.stat.device);
  record.set_inode(file.stat.inode);
  record.set_link_count(file.stat.link_count);
  record.set_mode(file.stat.mode);
  record.set_uid(file.stat.uid);
  record.set_gid(file.stat.gid);
  if (file.digest) record.set_digest(DigestText(*file.digest));
}

google::rpc::Status ToItemStatus(const ItemError& error, std::string_view message) {
  const auto [code, reason] = TermsOf(error.reason);
  std::map<std::string, std::string> metadata;
  if (error.error_number != 0) metadata["errno"] = absl::StrCat(error.error_number);
  return ToWireStatus(MakeError(code, reason, message, metadata));
}

void ToProto(const ItemError& error, v1::ItemError& message) {
  SetPath(error.path, message);
  message.set_operation(error.operation);
  *message.mutable_status() = ToItemStatus(error, error.message);
}

void ToProto(const SkippedItem& skipped, v1::SkippedItem& message) {
  SetPath(skipped.path, message);
  message.set_reason(ToProto(kSkipReasons, skipped.reason));
}

std::optional<DigestAlgorithm> FromProto(v1::DigestAlgorithm algorithm) {
  return FromProto(kAlgorithms, algorithm);
}

std::optional<FileType> FromProto(v1::FileType type) { return FromProto(kFileTypes, type); }

std::optional<FileEntry> FromProto(const v1::FileRecord& record) {
  const std::optional<FileType> type = FromProto(record.type());
  FileEntry file{.path = PathOf(record), .stat = {}};
  if (!record.digest().empty()) file.digest = ParseDigest(record.digest());
  if (!type || file.digest.has_value() == record.digest().empty()) return std::nullopt;
  file.stat = {.type = *type,
               .size = record.size(),
               .allocated_bytes = record.allocated_bytes(),
               .modify_time_ns = FromTimestamp(record.modify_time()),
               .change_time_ns = FromTimestamp(record.change_time()),
               .device = record.device(),
               .inode = record.inode(),
               .link_count = record.link_count(),
               .mode = record.mode(),
               .uid = record.uid(),
               .gid = record.gid()};
  return file;
}

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

namespace {

// Field numbers of the oneof JobEvent.event, which are what EventPayload::kind holds.
EventRecord PayloadRecord(int field_number, std::string bytes, std::uint64_t sequence,
                          std::int64_t time_ns) {
  return {.sequence = sequence,
          .time_ns = time_ns,
          .event = EventPayload{.kind = static_cast<std::uint32_t>(field_number),
                                .payload = std::move(bytes)}};
}

}  // namespace

EventRecord ToEventRecord(JobItem item, const PlanNames& names, std::uint64_t sequence,
                          std::int64_t time_ns) {
  if (auto* file = std::get_if<FileEntry>(&item)) {
    return {.sequence = sequence, .time_ns = time_ns, .event = std::move(*file)};
  }
  if (const auto* plan = std::get_if<Plan>(&item)) {
    return PayloadRecord(v1::JobEvent::kPlan, PlanBytes(*plan, names), sequence, time_ns);
  }
  if (const auto* outcome = std::get_if<ApplyOutcome>(&item)) {
    v1::ApplyOutcome message;
    ToProto(*outcome, message);
    return PayloadRecord(v1::JobEvent::kOutcome, DeterministicBytes(message), sequence, time_ns);
  }
  if (const auto* error = std::get_if<ItemError>(&item)) {
    v1::ItemError message;
    ToProto(*error, message);
    return PayloadRecord(v1::JobEvent::kError, DeterministicBytes(message), sequence, time_ns);
  }
  v1::SkippedItem message;
  ToProto(std::get<SkippedItem>(item), message);
  return PayloadRecord(v1::JobEvent::kSkipped, DeterministicBytes(message), sequence, time_ns);
}

EventRecord ToEventRecord(const v1::StateChange& change, std::uint64_t sequence,
                          std::int64_t time_ns) {
  return PayloadRecord(v1::JobEvent::kStateChange, DeterministicBytes(change), sequence, time_ns);
}

absl::Status ToJobEvent(const EventRecord& record, v1::JobEvent& event) {
  event.set_sequence(record.sequence);
  SetTime(record.time_ns, *event.mutable_event_time());
  if (const auto* file = std::get_if<FileEntry>(&record.event)) {
    ToProto(*file, *event.mutable_file());
    return absl::OkStatus();
  }
  const auto& payload = std::get<EventPayload>(record.event);
  const auto parsed = [&](google::protobuf::Message* message) {
    return message->ParseFromString(payload.payload);
  };
  bool ok = false;
  switch (payload.kind) {
    case v1::JobEvent::kPlan:
      ok = parsed(event.mutable_plan());
      break;
    case v1::JobEvent::kSkipped:
      ok = parsed(event.mutable_skipped());
      break;
    case v1::JobEvent::kError:
      ok = parsed(event.mutable_error());
      break;
    case v1::JobEvent::kStateChange:
      ok = parsed(event.mutable_state_change());
      break;
    case v1::JobEvent::kOutcome:
      ok = parsed(event.mutable_outcome());
      break;
    default:
      break;
  }
  return ok ? absl::OkStatus() : DamagedEventError(record);
}

bool IsEventKind(std::uint32_t kind) {
  switch (kind) {
    case v1::JobEvent::kPlan:
    case v1::JobEvent::kSkipped:
    case v1::JobEvent::kError:
    case v1::JobEvent::kStateChange:
    case v1::JobEvent::kOutcome:
      return true;
    default:
      return false;
  }
}

absl::Status DamagedEventError(const EventRecord& record) {
  return MakeError(absl::StatusCode::kDataLoss, "EVENT_DAMAGED",
                   absl::StrCat("event ", record.sequence, " cannot be read"));
}

std::size_t ApproximateSize(const EventRecord& record) {
  constexpr std::size_t kFixedFields = 200;  // All of a FileRecord but its path, digest included.
  if (const auto* file = std::get_if<FileEntry>(&record.event)) {
    return kFixedFields + file->path.size();
  }
  return std::get<EventPayload>(record.event).payload.size();
}

}  // namespace sluice
