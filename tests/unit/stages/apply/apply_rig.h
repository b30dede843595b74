#ifndef SLUICE_TESTS_UNIT_STAGES_APPLY_APPLY_RIG_H_
#define SLUICE_TESTS_UNIT_STAGES_APPLY_APPLY_RIG_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/hasher.h"
#include "pipeline/stages/apply/apply.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {

// Where the trees of these tests are: SLUICE_APPLY_DIR, a file system to be tried, or memory.
std::string ApplyDir();

// A number that a long form gives to a test; `otherwise` where it does not.
unsigned FromEnvironment(const char* name, unsigned otherwise);

// A tree of files, the plans over them, and runs of apply and undo on one thread.
class ApplyRig final {
 public:
  ApplyRig() : tree_(ApplyDir()), journals_(ApplyDir()) {}

  TempTree& tree() { return tree_; }
  const AllowedRoots& roots() const { return roots_; }
  std::string Path(std::string_view name) const { return tree_.Path(name); }
  std::string journal() const { return journals_.Path("job.journal"); }
  std::string undo_journal() const { return journals_.Path("undo.journal"); }

  // Files of this content, with the same old times; a plan whose source is the first.
  void MakeGroup(const std::vector<std::string>& names, const std::string& content);
  // A plan of files as they are now. The first is the source.
  StoredPlan PlanOf(const std::vector<std::string>& names) const;
  void AddPlan(StoredPlan plan);
  std::vector<StoredPlan>& plans() { return plans_; }

  struct Run {
    std::vector<ApplyOutcome> outcomes;
    std::vector<ApplyPosition> checkpoints;
  };
  // Until the end; or drops the pipeline after `items` items.
  Run Apply(const ApplyOptions& options, FsOps& fs = SystemFsOps(),
            std::optional<ApplyPosition> resume_after = std::nullopt,
            std::optional<std::size_t> items = std::nullopt);
  Run Undo(ApplyOptions options = Executing(Action::kHardlink), FsOps& fs = SystemFsOps());
  // Another job over the same tree, with plans and a journal of its own. Several at once are fine.
  Run ApplyAs(const std::string& job, std::vector<StoredPlan> plans, const ApplyOptions& options,
              FsOps& fs = SystemFsOps()) const;
  std::string JournalOf(std::string_view job) const { return journals_.Path(job); }
  absl::Status Recover(FsOps& fs = SystemFsOps()) { return RecoverJournal(fs, roots_, journal()); }

  absl::Status Discard(FsOps& fs = SystemFsOps()) { return DiscardKept(fs, roots_, journal()); }
  // As if a restart of the system had given devices other numbers than the journal has.
  static void RenumberDevices(const std::string& journal);

  static ApplyOptions Executing(Action action) {
    return {.action = action, .mode = ApplyOptions::Mode::kExecute};
  }

  // Path below the tree -> content (of a link: what it leads to), of all that is there.
  std::map<std::string, std::string> Contents() const;
  // The same with inode numbers instead of contents.
  std::map<std::string, std::uint64_t> Inodes() const;
  // Whether anything is left in, or of, the private directory.
  bool HasPrivateDirectory() const;
  // Files in it.
  std::size_t CountPrivate() const;

 private:
  Run Drain(AsyncGenerator<ApplyItem> (*start)(ApplyRig&, const ApplyOptions&, ApplyDeps),
            const ApplyOptions& options, FsOps& fs, const std::string& journal,
            std::optional<ApplyPosition> resume_after, std::optional<std::size_t> items);

  TempTree tree_;
  TempTree journals_;
  AllowedRoots roots_ = tree_.Roots();
  std::vector<StoredPlan> plans_;
  PipelineCounters counters_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_APPLY_APPLY_RIG_H_
