#include "pipeline/stages/apply/journal_record.h"

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <type_traits>
#include <utility>
#include <vector>

#include "pipeline/fs/compact_bytes.h"
#include "pipeline/fs/private_directory.h"

namespace sluice {

namespace {

enum class Kind : std::uint8_t { kIntent, kDone };

class Writer final {
 public:
  void Number(std::uint64_t value) {
    std::array<char, kMaxVarintBytes> bytes;
    out_.append(bytes.data(), PutVarint(value, bytes.data()));
  }
  void Signed(std::int64_t value) {
    std::array<char, kMaxVarintBytes> bytes;
    out_.append(bytes.data(), PutDelta(value, 0, bytes.data()));
  }
  template <typename E>
  void Enum(E value) {
    static_assert(std::is_enum_v<E>);
    Number(static_cast<std::uint64_t>(value));
  }
  void Bytes(std::string_view bytes) {
    Number(bytes.size());
    out_.append(bytes);
  }
  void PutDigest(const Digest& digest) {
    std::array<char, kMaxDigestBytes> bytes;
    out_.append(bytes.data(), sluice::PutDigest(digest, bytes.data()));
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// As ByteTaker: after the first failure all that is taken is empty.
class Reader final {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t Number() { return bytes_.Varint(); }
  std::uint32_t Number32() { return bytes_.Varint32(); }
  std::int64_t Signed() { return bytes_.Delta(std::int64_t{0}); }
  bool Bool() { return NumberUpTo(1) != 0; }
  template <typename E>
  E Enum(E last) {
    static_assert(std::is_enum_v<E>);
    return static_cast<E>(NumberUpTo(static_cast<std::uint64_t>(last)));
  }
  std::string Bytes() { return std::string(bytes_.Bytes(bytes_.Varint())); }
  Digest TakeDigest() { return bytes_.TakeDigest(); }

  bool failed() const { return bytes_.failed(); }
  bool AtEnd() const { return !bytes_.failed() && bytes_.empty(); }
  void Fail() { bytes_.Fail(); }

 private:
  std::uint64_t NumberUpTo(std::uint64_t last) {
    const std::uint64_t value = bytes_.Varint();
    if (value > last) bytes_.Fail();
    return value > last ? 0 : value;
  }

  ByteTaker bytes_;
};

void Put(const ApplyPosition& position, Writer* to) {
  to->Number(position.plan_sequence);
  to->Number(position.copy);
}

// In the order of the members: an initializer list is evaluated from the left to the right.
ApplyPosition TakePosition(Reader* from) {
  return {.plan_sequence = from->Number(), .copy = from->Number32()};
}

void Put(const InodeId& id, Writer* to) {
  to->Number(id.device);
  to->Number(id.inode);
}

InodeId TakeInodeId(Reader* from) { return {.device = from->Number(), .inode = from->Number()}; }

void Put(const FileMetadata& metadata, Writer* to) {
  to->Number(metadata.uid);
  to->Number(metadata.gid);
  to->Number(metadata.mode);
  to->Signed(metadata.modify_time_ns);
  to->Number(metadata.xattrs.size());
  for (const auto& [name, value] : metadata.xattrs) {
    to->Bytes(name);
    to->Bytes(value);
  }
}

FileMetadata TakeMetadata(Reader* from) {
  FileMetadata metadata{.uid = from->Number32(),
                        .gid = from->Number32(),
                        .mode = from->Number32(),
                        .modify_time_ns = from->Signed()};
  for (std::uint64_t left = from->Number(); left > 0 && !from->failed(); --left) {
    std::string name = from->Bytes();
    metadata.xattrs.emplace(std::move(name), from->Bytes());
  }
  return metadata;
}

void Put(const ItemError& error, Writer* to) {
  to->Bytes(error.path);
  to->Bytes(error.operation);
  to->Enum(error.reason);
  to->Signed(error.error_number);
  to->Bytes(error.message);
}

int TakeErrorNumber(Reader* from) {
  const std::int64_t number = from->Signed();
  const bool fits = number >= std::numeric_limits<int>::min() &&  //
                    number <= std::numeric_limits<int>::max();
  if (!fits) from->Fail();
  return fits ? static_cast<int>(number) : 0;
}

ItemError TakeItemError(Reader* from) {
  return {.path = from->Bytes(),
          .operation = from->Bytes(),
          .reason = from->Enum(ItemError::Reason::kIo),
          .error_number = TakeErrorNumber(from),
          .message = from->Bytes()};
}

// Lists of metadata fields.
void Put(const std::vector<MetadataField>& fields, Writer* to) {
  to->Number(fields.size());
  for (const MetadataField field : fields) to->Enum(field);
}

std::vector<MetadataField> TakeFields(Reader* from) {
  std::vector<MetadataField> fields;
  for (std::uint64_t left = from->Number(); left > 0 && !from->failed(); --left)
    fields.push_back(from->Enum(MetadataField::kXattrs));
  return fields;
}

void Put(const ApplyOutcome& outcome, Writer* to) {
  to->Bytes(outcome.plan);
  to->Bytes(outcome.path);
  to->Enum(outcome.action);
  to->Number(outcome.undo ? 1 : 0);
  to->Enum(outcome.result);
  to->Number(outcome.skip_reason ? 1 : 0);
  if (outcome.skip_reason) to->Enum(*outcome.skip_reason);
  to->Number(outcome.recovered_bytes);
  to->Number(outcome.pending_bytes);
  Put(outcome.metadata_changes, to);
  to->Bytes(outcome.kept_path);
  to->Number(outcome.failure ? 1 : 0);
  if (outcome.failure) Put(*outcome.failure, to);
}

std::optional<SkipReason> TakeSkipReason(Reader* from) {
  if (!from->Bool()) return std::nullopt;
  return from->Enum(SkipReason::kOtherHost);
}

std::optional<ItemError> TakeFailure(Reader* from) {
  if (!from->Bool()) return std::nullopt;
  return TakeItemError(from);
}

ApplyOutcome TakeOutcome(Reader* from) {
  return {.plan = from->Bytes(),
          .path = from->Bytes(),
          .action = from->Enum(Action::kRemove),
          .undo = from->Bool(),
          .result = from->Enum(ApplyOutcome::Result::kFailed),
          .skip_reason = TakeSkipReason(from),
          .recovered_bytes = from->Number(),
          .pending_bytes = from->Number(),
          .metadata_changes = TakeFields(from),
          .kept_path = from->Bytes(),
          .failure = TakeFailure(from)};
}

void Put(const ChangeIntent& intent, Writer* to) {
  to->Enum(Kind::kIntent);
  Put(intent.position, to);
  to->Bytes(intent.plan);
  to->Bytes(intent.path);
  to->Bytes(intent.kept_path);
  to->Enum(intent.action);
  to->Number(intent.undo ? 1 : 0);
  to->PutDigest(intent.digest);
  Put(intent.old_inode, to);
  Put(intent.kept_inode, to);
  to->Number(intent.size);
  Put(intent.metadata, to);
  to->Bytes(intent.stage_directory);
  to->Bytes(intent.stage_name);
  to->Bytes(intent.symlink_target);
  to->Number(intent.keeps_old ? 1 : 0);
  to->Number(intent.freed_bytes);
}

ChangeIntent TakeIntent(Reader* from) {
  return {.position = TakePosition(from),
          .plan = from->Bytes(),
          .path = from->Bytes(),
          .kept_path = from->Bytes(),
          .action = from->Enum(Action::kRemove),
          .undo = from->Bool(),
          .digest = from->TakeDigest(),
          .old_inode = TakeInodeId(from),
          .kept_inode = TakeInodeId(from),
          .size = from->Number(),
          .metadata = TakeMetadata(from),
          .stage_directory = from->Bytes(),
          .stage_name = from->Bytes(),
          .symlink_target = from->Bytes(),
          .keeps_old = from->Bool(),
          .freed_bytes = from->Number()};
}

void Put(const ChangeDone& done, Writer* to) {
  to->Enum(Kind::kDone);
  Put(done.position, to);
  Put(done.outcome, to);
}

ChangeDone TakeDone(Reader* from) {
  return {.position = TakePosition(from), .outcome = TakeOutcome(from)};
}

}  // namespace

std::string EncodeJournalRecord(const JournalRecord& record) {
  Writer writer;
  std::visit([&writer](const auto& value) { Put(value, &writer); }, record);
  return writer.Take();
}

bool FitsJournal(const ChangeIntent& intent) {
  // Numbers, the name in the stage directory, and what is said of a failure.
  constexpr std::size_t kRest = 4096;
  // The stage directory lies on the way to the path, and an outcome that failed names the path, the
  // kept one, the path once more and the stage directory: no more than the intent and the path.
  const std::size_t of_stage = intent.path.size() + kPrivateDirectory.size();
  const std::size_t size = EncodeJournalRecord(intent).size();
  return size + of_stage + intent.path.size() + kRest <= kMaxJournalRecordBytes;
}

std::optional<JournalRecord> DecodeJournalRecord(std::string_view bytes) {
  Reader reader(bytes);
  std::optional<JournalRecord> record;
  switch (reader.Enum(Kind::kDone)) {
    case Kind::kIntent:
      record = TakeIntent(&reader);
      break;
    case Kind::kDone:
      record = TakeDone(&reader);
      break;
  }
  // Bytes that are left over are no record of this version.
  if (!reader.AtEnd()) return std::nullopt;
  return record;
}

}  // namespace sluice
