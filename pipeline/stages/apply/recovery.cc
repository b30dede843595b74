// What a crash has left of a change, found out from the files themselves.
//
// The journal says what was intended; the stage directory and the path say how far it came:
//
//   stage/name    path         the change
//   none          old          had not begun
//   ours          old          had not been exchanged: ours goes
//   old           ours         was exchanged, and not yet dropped: the bytes are compared once more
//   another's     ours         had met another's file: it gets its place back
//   none          ours         was done
//
// A removal, which makes nothing new:
//
//   none          old          had not begun
//   old           any          was made: it stays, or goes as above
//   another's     any          had met another's file: it gets its place back
//   none          none         was made, where nothing is kept; otherwise had not begun
//
// "Ours" is known by the kept inode, or by the target of the symbolic link; of a copy that an undo
// made, by the path still being old.

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/inline_executor.h"
#include "pipeline/fs/path_text.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/content_check.h"
#include "pipeline/stages/apply/journal_changes.h"
#include "pipeline/stages/apply/journal_tail.h"
#include "pipeline/stages/apply/placement.h"
#include "pipeline/stages/apply/preparation.h"

namespace sluice {
namespace {

class ChangeRecovery final {
 public:
  ChangeRecovery(FsOps& fs, const AllowedRoots& roots, const ChangeIntent& intent)
      : fs_(fs), roots_(roots), intent_(intent) {}

  // How the change ended. UNAVAILABLE: it cannot be seen now.
  absl::StatusOr<ApplyOutcome> Recover() {
    if (intent_.action == Action::kReflink && !intent_.undo) return Aborted();
    Look();
    if (!is_there_) {
      return absl::UnavailableError(
          absl::StrCat("a change of ", PrintablePath(intent_.path),
                       " cannot be brought to its end: its file system is not mounted"));
    }
    ApplyOutcome outcome = Decide();
    // What was done to names is durable before the journal says how it ended.
    if (has_name_) (void)fs_.Sync(at_.directory.get());
    if (stage_.directory.valid()) (void)fs_.Sync(stage_.directory.get());
    return outcome;
  }

 private:
  using Stat = std::optional<FileStat>;

  void Look() {
    const bool has_stage = OpenStage(fs_, roots_, intent_.stage_directory, &stage_) == 0;
    has_name_ = !PinName(fs_, roots_, intent_.path, &at_);
    FileStat stat;
    if (has_stage && fs_.StatAt(stage_.directory.get(), intent_.stage_name, &stat) == 0) {
      staged_ = stat;
    }
    if (has_name_ && fs_.StatAt(at_.directory.get(), at_.name, &stat) == 0) current_ = stat;
    const UniqueFd& directory = has_stage ? stage_.directory : at_.directory;
    if (fs_.Stat(directory.get(), &stat) != 0) return;
    // A device may have another number since the system was restarted.
    const bool is_known = current_ && (current_->inode == intent_.old_inode.inode ||
                                       current_->inode == intent_.kept_inode.inode);
    is_there_ = has_stage || is_known || stat.device == intent_.old_inode.device;
    old_ = {.device = stat.device, .inode = intent_.old_inode.inode};
    kept_ = {.device = stat.device, .inode = intent_.kept_inode.inode};
  }

  ApplyOutcome Decide() {
    if (intent_.action == Action::kRemove) return DecideMove();
    if (!staged_) {
      const bool is_done = IsOurs(current_, at_.directory.get(), at_.name);
      return is_done ? Applied(intent_.freed_bytes) : Aborted();
    }
    if (IsOld(staged_)) return FinishExchange();
    if (IsOld(current_) || IsOurs(staged_, stage_.directory.get(), intent_.stage_name)) {
      return DropNew();
    }
    if (IsOurs(current_, at_.directory.get(), at_.name)) return GiveBack();
    return Failed(Rescue(fs_, stage_, intent_.stage_name, EBUSY));
  }

  ApplyOutcome DecideMove() {
    if (intent_.undo) return staged_ ? Aborted() : Applied(0);
    if (staged_ && !IsOld(staged_)) return PutBack();
    if (!staged_ && intent_.keeps_old) return Aborted();
    if (!staged_) return has_name_ && !current_ ? Applied(intent_.freed_bytes) : Aborted();
    std::uint64_t bytes = 0;
    // Else another name has the content. What it was compared with may have gone meanwhile.
    if (staged_->link_count == 1 && !LivesOn(&bytes)) return PutBack();
    if (!intent_.keeps_old) return DropOld(bytes);
    ApplyOutcome outcome = Applied(0);
    outcome.pending_bytes = intent_.freed_bytes;
    return outcome;
  }

  bool IsOld(const Stat& stat) const { return stat && IdOf(*stat) == old_; }

  bool IsOurs(const Stat& stat, int directory, const std::string& name) const {
    if (!stat || IsOld(stat)) return false;
    if (intent_.undo) return stat->type == FileType::kRegular && directory == at_.directory.get();
    if (intent_.action == Action::kHardlink) return IdOf(*stat) == kept_;
    std::string target;
    return stat->type == FileType::kSymlink && fs_.ReadLink(directory, name, &target) == 0 &&
           target == intent_.symlink_target;
  }

  ApplyOutcome DropNew() {
    const int error = fs_.Unlink(stage_.directory.get(), intent_.stage_name);
    return error == 0 ? Aborted() : Failed(ErrorOfChange("unlink", error));
  }

  ApplyOutcome GiveBack() {
    const Placement placement = {
        .at = at_, .stage = stage_, .name = intent_.stage_name, .ours = IdOf(*current_)};
    const auto error = TakeBack(fs_, placement);
    return error ? Failed(*error) : Aborted();
  }

  // What was moved away, and is not to go.
  ApplyOutcome PutBack() {
    const int error = has_name_ ? fs_.MoveNoReplace(stage_.directory.get(), intent_.stage_name,
                                                    at_.directory.get(), at_.name)
                                : ENOENT;
    return error == 0 ? Aborted() : Failed(Rescue(fs_, stage_, intent_.stage_name, error));
  }

  // The old object is out. It may go if its bytes live on; leases have not been held since the
  // crash, so they are compared again.
  ApplyOutcome FinishExchange() {
    std::uint64_t bytes = 0;
    const bool is_content = staged_->type == FileType::kRegular && staged_->link_count == 1;
    if (is_content && !LivesOn(&bytes)) {
      if (IsOurs(current_, at_.directory.get(), at_.name)) return GiveBack();
      return Failed(Rescue(fs_, stage_, intent_.stage_name, EBUSY));
    }
    return DropOld(bytes);
  }

  ApplyOutcome DropOld(std::uint64_t bytes) {
    if (has_name_) {
      if (const int error = fs_.Sync(at_.directory.get())) {
        return Failed(ErrorOfChange("sync", error));
      }
    }
    const int error = fs_.Unlink(stage_.directory.get(), intent_.stage_name);
    return error == 0 ? Applied(bytes) : Failed(ErrorOfChange("unlink", error));
  }

  bool LivesOn(std::uint64_t* bytes) {
    PinnedFile old;
    const int opened = fs_.OpenBeneath(stage_.directory.get(), intent_.stage_name,
                                       O_RDONLY | O_NONBLOCK, 0, &old.fd);
    if (opened != 0 || fs_.Stat(old.fd.get(), &old.stat) != 0) return false;
    (void)fs_.ExclusiveBytes(old.fd.get(), bytes);
    for (const std::string& path : {intent_.path, intent_.kept_path}) {
      PinnedFile survivor;
      if (PinFile(fs_, roots_, path, &survivor) || survivor.id() == old.id()) continue;
      if (SameBytes(old, survivor) && fs_.Sync(survivor.fd.get()) == 0 &&
          fs_.Sync(survivor.at.directory.get()) == 0) {
        return true;
      }
    }
    return false;
  }

  bool SameBytes(const PinnedFile& old, const PinnedFile& survivor) {
    Lease lease_of_old;
    Lease lease_of_survivor;
    // Where there are no leases the request allowed to do without.
    if (TakeLease(fs_, old.fd.get(), Unleased::kAllow, &lease_of_old) ||
        TakeLease(fs_, survivor.fd.get(), Unleased::kAllow, &lease_of_survivor)) {
      return false;
    }
    InlineExecutor executor;
    const CheckedContent checked =
        executor.Run(CompareFiles(old, lease_of_old, survivor, lease_of_survivor,
                                  {.fs = fs_, .executor = executor, .stop = {}}));
    return checked.result == ContentCheck::kSame;
  }

  ApplyOutcome Aborted() const { return AbortedOutcome(intent_); }
  ApplyOutcome Applied(std::uint64_t bytes) const {
    ApplyOutcome outcome = AbortedOutcome(intent_);
    outcome.result = ApplyOutcome::Result::kApplied;
    outcome.recovered_bytes = intent_.undo ? 0 : bytes;
    return outcome;
  }
  ApplyOutcome Failed(const ChangeError& error) const {
    ApplyOutcome outcome = AbortedOutcome(intent_);
    SetError({.operation = error.operation, .error_number = error.error_number}, outcome);
    return outcome;
  }

  FsOps& fs_;
  const AllowedRoots& roots_;
  const ChangeIntent& intent_;
  StageDirectory stage_;
  PinnedName at_;
  bool has_name_ = false;
  bool is_there_ = false;  // The file system is mounted.
  InodeId old_;            // Of the intent, with the number that their device has now.
  InodeId kept_;
  Stat staged_;   // At stage/name.
  Stat current_;  // At the path.
};

}  // namespace

absl::Status RecoverJournal(FsOps& fs, const AllowedRoots& roots, const std::string& journal_path) {
  JournalChanges changes;
  if (absl::Status read = ReadChanges(journal_path, [](auto&, auto&) {}, &changes); !read.ok()) {
    return read;
  }
  absl::Status unreachable;
  if (!changes.open.empty()) {
    absl::StatusOr<std::unique_ptr<ApplyJournal>> journal = ApplyJournal::Open(journal_path);
    if (!journal.ok()) return journal.status();
    for (const auto& [position, intent] : changes.open) {
      absl::StatusOr<ApplyOutcome> outcome = ChangeRecovery(fs, roots, intent).Recover();
      if (!outcome.ok()) {
        unreachable = outcome.status();
        continue;
      }
      const ChangeDone done = {.position = position, .outcome = *std::move(outcome)};
      if (absl::Status status = (*journal)->Append(done); !status.ok()) return status;
    }
    if (absl::Status status = (*journal)->Sync(); !status.ok()) return status;
  }
  for (const std::string& stage : changes.stages) RemoveStageIfEmpty(fs, roots, stage);
  return unreachable;
}

}  // namespace sluice
