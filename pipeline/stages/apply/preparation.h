#ifndef SLUICE_PIPELINE_STAGES_APPLY_PREPARATION_H_
#define SLUICE_PIPELINE_STAGES_APPLY_PREPARATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "pipeline/async/task.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/change.h"
#include "pipeline/stages/apply/content_check.h"
#include "pipeline/stages/plan.h"

namespace sluice {

// Decides, copy by copy, whether it may be changed
// ================================================
//
// All decisions of a job are taken here, those of a dry run and those of the real one alike, with
// the same leases held and the same bytes compared. Names of one inode follow each other in a plan:
// what the change of one does to the inode (its ctime, its links) is known when the next is looked
// at.
//
// Not thread-safe. Lifetime: `options` and `deps` outlive it.
class Preparation final {
 public:
  using Prepared = std::variant<PreparedChange, ApplyOutcome>;

  Preparation(const ApplyOptions& options, const ApplyDeps& deps, StageDirectories& stages)
      : options_(options), deps_(deps), stages_(stages) {}

  // What follows is of this plan (part).
  void Begin(const StoredPlan& plan);
  // REQUIRES: Begin was called. Throws Cancelled.
  Task<Prepared> Prepare(ApplyPosition position, const PlanCopy& copy);
  // Lets go of the source of truth until the next Prepare: nobody is kept waiting for its lease
  // while the job waits for its consumer.
  void Rest() { kept_ = nullptr; }
  // What was prepared has been done to a name of this inode: its ctime is ours.
  void OnChanged(InodeId old_inode);
  // Instead of Prepare: an earlier run has changed this name.
  void OnChangedEarlier(InodeId old_inode);

 private:
  // What is known of the inode whose names are being looked at.
  struct Names {
    InodeId id;
    std::uint32_t links = 0;    // When the first of them was.
    std::uint32_t changed = 0;  // Names that are prepared, or done.
    bool touched = false;       // Its ctime is ours.
  };
  using Verdict = std::optional<ChangeError>;  // nullopt: go on.

  Action action() const;
  ContentCheckDeps check_deps() const;
  Task<Verdict> PinKept();
  Verdict CheckKept(const FileEntry& recorded, KeptFile& kept);
  Verdict CheckVersion(const FileStat& recorded, const FileStat& now) const;
  Verdict CheckPlace(const PinnedFile& old);
  Verdict CheckFlags(const PinnedFile& old);
  Verdict CheckMetadata(const PinnedFile& old, PreparedChange& change);
  Verdict CheckReflink(const PinnedFile& old);
  Verdict CheckSymlink(const PlanCopy& copy, PreparedChange& change) const;
  // All but the content: pins and leases.
  Verdict LookAt(const PlanCopy& copy, PreparedChange& change);
  Task<Verdict> CheckContent(PreparedChange& change);
  Verdict FindStage(PreparedChange& change);
  void Account(PreparedChange& change);
  bool BecomesSource(PreparedChange& change);

  const ApplyOptions& options_;
  const ApplyDeps& deps_;
  StageDirectories& stages_;
  const StoredPlan* plan_ = nullptr;
  std::string group_;                // Name of the plan, over its parts.
  std::optional<FileEntry> source_;  // Of the group; another copy when its links were used up.
  std::shared_ptr<KeptFile> kept_;
  std::uint64_t planned_links_ = 0;  // Dry run: what the source would have got.
  Names names_;
};

// The outcome of a copy that is left alone.
void SetError(const ChangeError& error, ApplyOutcome& outcome);

// The target of a symbolic link at `from` that leads to `to`: paths below the same directory.
std::string RelativeTarget(std::string_view from, std::string_view to);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_PREPARATION_H_
