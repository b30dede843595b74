#ifndef SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_H_
#define SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/file_metadata.h"
#include "pipeline/fs/unique_fd.h"
#include "pipeline/stages/apply/outcome.h"

namespace sluice {

// Which inode, whatever it is called.
struct InodeId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  bool operator==(const InodeId&) const = default;
};

// What is about to be done to one path. Durable before it is begun.
struct ChangeIntent {
  ApplyPosition position;
  std::string plan;       // "plans/{id}".
  std::string path;       // Absolute bytes: what is changed.
  std::string kept_path;  // Absolute bytes: what stays.
  Action action = Action::kHardlink;
  bool undo = false;
  Digest digest;           // Of the content, as the plan says.
  InodeId old_inode = {};  // What `path` names before; what an undo replaces.
  InodeId kept_inode = {};
  std::uint64_t size = 0;
  // Of the old inode: what an undo restores.
  FileMetadata metadata = {};
  // Directory (absolute bytes) and name where the new object is made, and the old one comes out;
  // for kRemove, where the old one is kept. Both empty for kReflink, which needs none.
  std::string stage_directory = {};
  std::string stage_name = {};
  std::string symlink_target = {};  // kSymlink.
  // kRemove: the old object stays where it came out, for an undo; otherwise it is unlinked.
  bool keeps_old = false;
  // Bytes of storage that go with the old object, as far as was known before: when it is unlinked
  // it cannot be asked any more.
  std::uint64_t freed_bytes = 0;

  bool operator==(const ChangeIntent&) const = default;
};

// What became of the intent at this position: the outcome (kApplied, or another one, with which the
// path is as it was before).
struct ChangeDone {
  ApplyPosition position;
  ApplyOutcome outcome;

  bool operator==(const ChangeDone&) const = default;
};

using JournalRecord = std::variant<ChangeIntent, ChangeDone>;

// The journal of one apply job: a file of records, each with its length and checksum
// ==================================================================================
//
// Records are appended; those of the intents of a batch are made durable together, by Sync, before
// the first of them is begun. A record that was torn by a crash, with all behind it, is cut off
// when the journal is opened: what it spoke of had not begun, or can be seen from the files.
//
// Not thread-safe. Blocks on the disk. Errors: RESOURCE_EXHAUSTED (ENOSPC, EDQUOT), UNAVAILABLE
// (other I/O), NOT_FOUND, DATA_LOSS (no journal; of a newer version). After an error of Append or
// Sync nothing that was appended since the last Sync is to be relied on, and every later call fails
// likewise.
class ApplyJournal final {
 public:
  // For appending; made where there is none, with its directory entry durable.
  static absl::StatusOr<std::unique_ptr<ApplyJournal>> Open(const std::string& path);
  ApplyJournal(const ApplyJournal&) = delete;
  ApplyJournal& operator=(const ApplyJournal&) = delete;
  ~ApplyJournal();

  // INVALID_ARGUMENT, with nothing written, for a record that is larger than kMaxJournalRecordBytes
  // (journal_record.h).
  absl::Status Append(const JournalRecord& record);
  absl::Status Sync();  // fdatasync.

  // Its records in order; those of a journal that is being appended to, up to the last one
  // appended. Constant memory. Lifetime: independent of any ApplyJournal.
  class Reader final {
   public:
    static absl::StatusOr<Reader> Open(const std::string& path);
    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    ~Reader();
    // nullopt at the end, or at a torn record.
    absl::StatusOr<std::optional<JournalRecord>> Next();

   private:
    struct Impl;
    explicit Reader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };

 private:
  ApplyJournal(UniqueFd fd, std::uint64_t size);
  absl::Status Break(const char* operation, int error_number);

  UniqueFd fd_;
  std::uint64_t size_;
  std::uint64_t synced_size_;
  absl::Status broken_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_H_
