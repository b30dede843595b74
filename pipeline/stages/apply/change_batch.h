#ifndef SLUICE_PIPELINE_STAGES_APPLY_CHANGE_BATCH_H_
#define SLUICE_PIPELINE_STAGES_APPLY_CHANGE_BATCH_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "pipeline/fs/fs_ops.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/change.h"
#include "pipeline/stages/apply/journal.h"

namespace sluice {

// Changes that are carried out together: their intents take one sync of the journal, and their
// directories one each, before anything is dropped (and stage directories another, when it is).
// Between, outcomes that are already known keep their place in the order.
//
// Not thread-safe. Lifetime: `fs` and `journal` outlive it.
class ChangeBatch final {
 public:
  struct Decided {
    ApplyPosition position;
    ApplyOutcome outcome;
  };

  // `journal` is null in a dry run: nothing is changed then.
  ChangeBatch(FsOps& fs, ApplyJournal* journal, ApplyOptions::Removed removed)
      : fs_(fs), journal_(journal), removed_(removed) {}

  void Add(ApplyPosition position, ApplyOutcome outcome);
  void Add(PreparedChange change);
  bool full() const { return slots_.size() >= kMaxBatchChanges || bytes_ >= kMaxBatchBytes; }
  bool empty() const { return slots_.empty(); }

  // Carries out all that was added, and empties the batch; `on_changed` hears of each inode that
  // lost a name. Outcomes in the order of Add. Errors: the journal's, after which some changes may
  // have been made that it does not know the end of: RecoverJournal finds out.
  absl::StatusOr<std::vector<Decided>> Commit(const std::function<void(InodeId)>& on_changed);

 private:
  // Leases are held for no longer than it takes to compare so much.
  static constexpr std::uint64_t kMaxBatchBytes = 64ULL * 1024 * 1024;

  struct Slot {
    ApplyPosition position;
    ApplyOutcome outcome;
    std::unique_ptr<PreparedChange> change = {};  // Null where nothing is to be done.
    bool made = false;
    bool ended = true;  // Else the journal is not told, and RecoverJournal ends it.
  };

  absl::Status WriteIntents();
  void CarryOutAll();
  // What was exchanged, or exchanged back, is durable.
  int SyncNames();
  // What was taken out of stage directories stays out.
  int SyncStages();
  void DropOld(Slot& slot);
  absl::Status WriteEnds();

  FsOps& fs_;
  ApplyJournal* journal_;
  ApplyOptions::Removed removed_;
  std::vector<Slot> slots_;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_CHANGE_BATCH_H_
