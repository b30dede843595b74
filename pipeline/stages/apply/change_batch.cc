#include "pipeline/stages/apply/change_batch.h"

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/stages/apply/preparation.h"

namespace sluice {
namespace {

absl::Status CannotSync(int error) {
  return absl::UnavailableError(
      absl::StrCat("cannot sync a changed directory: ", std::system_category().message(error)));
}

}  // namespace

void ChangeBatch::Add(ApplyPosition position, ApplyOutcome outcome) {
  slots_.push_back({.position = position, .outcome = std::move(outcome)});
}

void ChangeBatch::Add(PreparedChange change) {
  bytes_ += change.intent.size;
  ApplyOutcome outcome = change.outcome;
  slots_.push_back({.position = change.intent.position,
                    .outcome = std::move(outcome),
                    .change = std::make_unique<PreparedChange>(std::move(change))});
}

absl::Status ChangeBatch::WriteIntents() {
  bool any = false;
  for (const Slot& slot : slots_) {
    if (!slot.change) continue;
    if (absl::Status status = journal_->Append(slot.change->intent); !status.ok()) return status;
    any = true;
  }
  return any ? journal_->Sync() : absl::OkStatus();
}

void ChangeBatch::CarryOutAll() {
  for (Slot& slot : slots_) {
    if (!slot.change) continue;
    if (const auto error = CarryOut(fs_, *slot.change)) {
      SetError(*error, slot.outcome);
      const PreparedChange& change = *slot.change;
      slot.ended = !change.stage || !IsStaged(fs_, *change.stage, change.intent.stage_name);
      continue;
    }
    slot.made = true;
    slot.outcome.result = ApplyOutcome::Result::kApplied;
    if (slot.change->intent.action == Action::kReflink) {
      slot.outcome.recovered_bytes = slot.change->outcome.recovered_bytes;
    }
  }
}

int ChangeBatch::SyncNames() {
  const PinnedName* synced = nullptr;
  for (const Slot& slot : slots_) {
    if (!slot.change || !slot.change->stage) continue;
    if (!slot.change->stage->directory.valid()) continue;  // Nothing has been done there.
    const PinnedName& at = slot.change->old.at;
    const auto directory = [](const PinnedName& name) {
      return name.path.substr(0, name.path.size() - name.name.size());
    };
    // Names of one directory mostly follow each other.
    if (synced == nullptr || directory(*synced) != directory(at)) {
      if (const int error = fs_.Sync(at.directory.get())) return error;
      synced = &at;
    }
  }
  return SyncStages();
}

int ChangeBatch::SyncStages() {
  const StageDirectory* synced = nullptr;
  for (const Slot& slot : slots_) {
    if (!slot.change || !slot.change->stage || synced == slot.change->stage.get()) continue;
    synced = slot.change->stage.get();
    if (!synced->directory.valid()) continue;  // Nothing has been done there.
    if (const int error = fs_.Sync(synced->directory.get())) return error;
  }
  return 0;
}

void ChangeBatch::DropOld(Slot& slot) {
  const PreparedChange& change = *slot.change;
  const Action action = change.intent.action;
  const bool kept = action == Action::kRemove && removed_ == ApplyOptions::Removed::kQuarantine;
  if (action == Action::kReflink || kept) return;
  // Predicted when it was prepared; now it is known.
  FileStat stat;
  std::uint64_t bytes = 0;
  const bool last_name = fs_.Stat(change.old.fd.get(), &stat) == 0 && stat.link_count == 1;
  if (last_name) (void)fs_.ExclusiveBytes(change.old.fd.get(), &bytes);
  slot.outcome.recovered_bytes = bytes;
  const int error =
      UnlinkVerified(fs_, *change.stage, change.intent.stage_name, change.intent.old_inode);
  if (error == 0) return;
  // The path is what it should be; only its old inode lives on.
  slot.outcome.recovered_bytes = 0;
  slot.ended = false;
}

absl::Status ChangeBatch::WriteEnds() {
  for (const Slot& slot : slots_) {
    if (!slot.change || !slot.ended) continue;
    const ChangeDone done = {.position = slot.position, .outcome = slot.outcome};
    if (absl::Status status = journal_->Append(done); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ChangeBatch::Decided>> ChangeBatch::Commit(
    const std::function<void(InodeId)>& on_changed) {
  if (journal_ != nullptr) {
    if (absl::Status status = WriteIntents(); !status.ok()) return status;
    CarryOutAll();
    // Without it no old name may go.
    if (const int error = SyncNames()) return CannotSync(error);
    for (Slot& slot : slots_) {
      if (!slot.made) continue;
      DropOld(slot);
      on_changed(slot.change->intent.old_inode);
    }
    // Nobody looks for what a change left once the journal says that it has ended.
    if (const int error = SyncStages()) return CannotSync(error);
    if (absl::Status status = WriteEnds(); !status.ok()) return status;
  }
  std::vector<Decided> decided;
  decided.reserve(slots_.size());
  for (Slot& slot : slots_) {
    decided.push_back({.position = slot.position, .outcome = std::move(slot.outcome)});
  }
  slots_.clear();
  bytes_ = 0;
  return decided;
}

}  // namespace sluice
