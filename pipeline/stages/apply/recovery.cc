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
// "Ours" is known by the kept inode, or by the target of the symbolic link; of a copy that an undo
// made, by the path still being old.

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "pipeline/async/inline_executor.h"
#include "pipeline/fs/path_text.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/content_check.h"
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
          absl::StrCat(PrintablePath(intent_.path), " cannot be reached"));
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
    FileStat directory;
    // Another device: the file system is not mounted.
    is_there_ = (has_stage && fs_.Stat(stage_.directory.get(), &directory) == 0 &&
                 directory.device == intent_.old_inode.device) ||
                (has_name_ && fs_.Stat(at_.directory.get(), &directory) == 0 &&
                 directory.device == intent_.old_inode.device);
    FileStat stat;
    if (has_stage && fs_.StatAt(stage_.directory.get(), intent_.stage_name, &stat) == 0) {
      staged_ = stat;
    }
    if (has_name_ && fs_.StatAt(at_.directory.get(), at_.name, &stat) == 0) current_ = stat;
  }

  ApplyOutcome Decide() {
    if (intent_.action == Action::kRemove) return DecideMove();
    if (!staged_) return IsOurs(current_, at_.directory.get(), at_.name) ? Applied(0) : Aborted();
    if (IsOld(staged_)) return FinishExchange();
    if (IsOld(current_) || IsOurs(staged_, stage_.directory.get(), intent_.stage_name)) {
      return DropNew();
    }
    if (IsOurs(current_, at_.directory.get(), at_.name)) return GiveBack();
    return Failed(Rescue(fs_, stage_, intent_.stage_name, EBUSY));
  }

  ApplyOutcome DecideMove() {
    if (intent_.undo) return staged_ ? Aborted() : Applied(0);
    if (!IsOld(staged_)) return Aborted();
    std::uint64_t bytes = 0;
    // Else another name has the content. What it was compared with may have gone meanwhile.
    const bool is_last = staged_->link_count == 1;
    if (is_last && !LivesOn(&bytes)) return MoveBack();
    ApplyOutcome outcome = Applied(0);
    outcome.pending_bytes = bytes;
    return outcome;
  }

  ApplyOutcome MoveBack() {
    const int error = fs_.MoveNoReplace(stage_.directory.get(), intent_.stage_name,
                                        at_.directory.get(), at_.name);
    return error == 0 ? Aborted() : Failed(Rescue(fs_, stage_, intent_.stage_name, error));
  }

  bool IsOld(const Stat& stat) const { return stat && IdOf(*stat) == intent_.old_inode; }

  bool IsOurs(const Stat& stat, int directory, const std::string& name) const {
    if (!stat || IsOld(stat)) return false;
    if (intent_.undo) return stat->type == FileType::kRegular && directory == at_.directory.get();
    if (intent_.action == Action::kHardlink) return IdOf(*stat) == intent_.kept_inode;
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

  // The old object is out. It may go if its bytes live on; leases have not been held since the
  // crash, so they are compared again.
  ApplyOutcome FinishExchange() {
    std::uint64_t bytes = 0;
    const bool is_content = staged_->type == FileType::kRegular && staged_->link_count == 1;
    if (is_content && !LivesOn(&bytes)) {
      if (IsOurs(current_, at_.directory.get(), at_.name)) return GiveBack();
      return Failed(Rescue(fs_, stage_, intent_.stage_name, EBUSY));
    }
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
  bool is_there_ = false;
  Stat staged_;   // At stage/name.
  Stat current_;  // At the path.
};

// What a journal says, in constant memory.
struct Changes {
  std::map<ApplyPosition, ChangeIntent> open;  // Not ended: at most a batch.
  std::set<std::string> stages;                // Where objects were made; one a mount.
};

// Calls `on_end(intent, outcome)` for each change that has ended.
template <typename OnEnd>
absl::StatusOr<Changes> ReadChanges(const std::string& journal_path, OnEnd on_end) {
  Changes changes;
  absl::StatusOr<ApplyJournal::Reader> reader = ApplyJournal::Reader::Open(journal_path);
  if (absl::IsNotFound(reader.status())) return changes;
  if (!reader.ok()) return reader.status();
  while (true) {
    absl::StatusOr<std::optional<JournalRecord>> record = reader->Next();
    if (!record.ok()) return record.status();
    if (!*record) return changes;
    if (auto* intent = std::get_if<ChangeIntent>(&**record)) {
      if (changes.stages.size() < StageDirectories::kMaxMounts) {
        changes.stages.insert(intent->stage_directory);
      }
      changes.open.insert_or_assign(intent->position, std::move(*intent));
      continue;
    }
    const ChangeDone& done = std::get<ChangeDone>(**record);
    if (const auto found = changes.open.find(done.position); found != changes.open.end()) {
      on_end(found->second, done.outcome);
      changes.open.erase(found);
    }
  }
}

}  // namespace

absl::Status RecoverJournal(FsOps& fs, const AllowedRoots& roots, const std::string& journal_path) {
  const absl::StatusOr<Changes> changes = ReadChanges(journal_path, [](auto&, auto&) {});
  if (!changes.ok()) return changes.status();
  absl::Status unreachable;
  if (!changes->open.empty()) {
    absl::StatusOr<std::unique_ptr<ApplyJournal>> journal = ApplyJournal::Open(journal_path);
    if (!journal.ok()) return journal.status();
    for (const auto& [position, intent] : changes->open) {
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
  for (const std::string& stage : changes->stages) RemoveStageIfEmpty(fs, roots, stage);
  return unreachable;
}

absl::Status DiscardKept(FsOps& fs, const AllowedRoots& roots, const std::string& journal_path) {
  std::string stage_path;
  StageDirectory stage;
  const auto discard = [&](const ChangeIntent& intent, const ApplyOutcome& outcome) {
    const bool kept = intent.action == Action::kRemove && !intent.undo &&
                      outcome.result == ApplyOutcome::Result::kApplied;
    if (!kept) return;
    if (std::exchange(stage_path, intent.stage_directory) != intent.stage_directory) {
      stage = {};
      (void)OpenStage(fs, roots, stage_path, &stage);
    }
    // What was restored is not there any more.
    if (stage.directory.valid()) {
      (void)UnlinkVerified(fs, stage, intent.stage_name, intent.old_inode);
    }
  };
  const absl::StatusOr<Changes> changes = ReadChanges(journal_path, discard);
  if (!changes.ok()) return changes.status();
  for (const std::string& path : changes->stages) RemoveStageIfEmpty(fs, roots, path);
  return absl::OkStatus();
}

}  // namespace sluice
