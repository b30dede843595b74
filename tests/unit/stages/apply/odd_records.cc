#include "tests/unit/stages/apply/odd_records.h"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>

namespace sluice {

namespace {

class OddValues final {
 public:
  explicit OddValues(std::uint32_t seed) : random_(seed) {}

  std::uint32_t Below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
  bool Bool() { return Below(2) == 1; }
  // Of any number of bits.
  std::uint64_t Number() { return random_() >> Below(64); }
  std::uint32_t Number32() { return static_cast<std::uint32_t>(Number()); }
  std::int64_t Signed() { return static_cast<std::int64_t>(Bool() ? Number() : ~Number()); }
  template <typename E>
  E Enum(E last) {
    return static_cast<E>(Below(static_cast<std::uint32_t>(last) + 1));
  }
  std::string Bytes() {
    std::string bytes(Below(4) == 0 ? Below(2000) : Below(20), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }

  Digest OfContent() {
    Digest digest{.algorithm = Enum(DigestAlgorithm::kXxh3_128)};
    std::generate_n(digest.bytes.begin(), DigestSize(digest.algorithm),
                    [this] { return static_cast<std::uint8_t>(random_()); });
    return digest;
  }

  FileMetadata Metadata() {
    FileMetadata metadata{
        .uid = Number32(), .gid = Number32(), .mode = Number32(), .modify_time_ns = Signed()};
    for (std::uint32_t left = Below(4); left > 0; --left) metadata.xattrs[Bytes()] = Bytes();
    return metadata;
  }

  ChangeIntent Intent() {
    return {.position = {.plan_sequence = Number(), .copy = Number32()},
            .plan = Bytes(),
            .path = Bytes(),
            .kept_path = Bytes(),
            .action = Enum(Action::kRemove),
            .undo = Bool(),
            .digest = OfContent(),
            .old_inode = {.device = Number(), .inode = Number()},
            .kept_inode = {.device = Number(), .inode = Number()},
            .size = Number(),
            .metadata = Metadata(),
            .stage_directory = Bytes(),
            .stage_name = Bytes(),
            .symlink_target = Bytes(),
            .keeps_old = Bool(),
            .freed_bytes = Number()};
  }

  ApplyOutcome Outcome() {
    ApplyOutcome outcome{.plan = Bytes(),
                         .path = Bytes(),
                         .action = Enum(Action::kRemove),
                         .undo = Bool(),
                         .result = Enum(ApplyOutcome::Result::kFailed),
                         .recovered_bytes = Number(),
                         .pending_bytes = Number(),
                         .kept_path = Bytes()};
    if (Bool()) outcome.skip_reason = Enum(SkipReason::kOtherHost);
    for (std::uint32_t left = Below(6); left > 0; --left)
      outcome.metadata_changes.push_back(Enum(MetadataField::kXattrs));
    if (Bool()) {
      outcome.failure = ItemError{.path = Bytes(),
                                  .operation = Bytes(),
                                  .reason = Enum(ItemError::Reason::kIo),
                                  .error_number = static_cast<int>(Number32()),
                                  .message = Bytes()};
    }
    return outcome;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace

std::vector<JournalRecord> OddRecords(std::uint32_t seed, std::size_t count) {
  OddValues odd(seed);
  std::vector<JournalRecord> records;
  while (records.size() < count) {
    if (odd.Bool()) {
      records.emplace_back(odd.Intent());
    } else {
      records.emplace_back(ChangeDone{.position = {odd.Number(), odd.Number32()},  //
                                      .outcome = odd.Outcome()});
    }
  }
  return records;
}

}  // namespace sluice
