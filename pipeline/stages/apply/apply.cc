#include "pipeline/stages/apply/apply.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/async/status_error.h"
#include "pipeline/stages/apply/change_batch.h"
#include "pipeline/stages/apply/journal_tail.h"
#include "pipeline/stages/apply/preparation.h"
#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {
namespace {

// One that is compared alone: leases of others are not held meanwhile.
constexpr std::uint64_t kLargeFileBytes = 8ULL * 1024 * 1024;

bool IsChange(const ApplyOutcome& outcome) {
  return outcome.result == ApplyOutcome::Result::kApplied ||
         outcome.result == ApplyOutcome::Result::kWouldApply;
}

// One run of an apply job.
class Applier final {
 public:
  Applier(const ApplyOptions& options, const ApplyDeps& deps)
      : options_(options),
        deps_(deps),
        stages_(deps.fs, deps.roots),
        preparation_(options, deps, stages_),
        tail_(ValueOrThrow(JournalTail::Read(deps.journal_path, deps.resume_after))),
        journal_(OpenJournal(options, deps)),
        batch_(deps.fs, journal_.get(), options.removed),
        changes_(tail_.changes_before()) {}

  ~Applier() { stages_.RemoveEmpty(); }
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  void Begin(const StoredPlan& plan) { preparation_.Begin(plan); }
  bool ended() const { return changes_ >= options_.max_changes; }
  // What is in the batch should be committed before this is looked at, or at once.
  bool MustCommitBefore(const PlanCopy& copy) const {
    return !batch_.empty() && copy.file.stat.size > kLargeFileBytes;
  }
  bool MustCommit() const { return batch_.full() || prepared_large_; }

  Task<> Take(ApplyPosition position, const PlanCopy& copy) {
    ThrowIfStopRequested(deps_.scope.stop_token());
    if (auto outcome = tail_.Find(position)) {
      // Done by an earlier run, which could not tell.
      if (IsChange(*outcome)) {
        preparation_.OnChangedEarlier(IdOf(copy.file.stat));
        ++changes_;
      }
      batch_.Add(position, *std::move(outcome));
      co_return;
    }
    Preparation::Prepared prepared = co_await preparation_.Prepare(position, copy);
    if (auto* change = std::get_if<PreparedChange>(&prepared)) {
      ++changes_;
      prepared_large_ = change->intent.size > kLargeFileBytes;
      batch_.Add(std::move(*change));
    } else {
      batch_.Add(position, std::get<ApplyOutcome>(std::move(prepared)));
    }
  }

  std::vector<ChangeBatch::Decided> Commit() {
    const auto on_changed = [this](InodeId inode) { preparation_.OnChanged(inode); };
    std::vector<ChangeBatch::Decided> decided = ValueOrThrow(batch_.Commit(on_changed));
    preparation_.Rest();
    prepared_large_ = false;
    return decided;
  }

  // All that was done is known to be done, also after a power cut.
  void Finish() {
    if (journal_) ThrowIfError(journal_->Sync());
  }

 private:
  static std::unique_ptr<ApplyJournal> OpenJournal(const ApplyOptions& options,
                                                   const ApplyDeps& deps) {
    if (options.mode == ApplyOptions::Mode::kDryRun) return nullptr;
    return ValueOrThrow(ApplyJournal::Open(deps.journal_path));
  }

  const ApplyOptions& options_;
  const ApplyDeps& deps_;
  StageDirectories stages_;
  Preparation preparation_;
  JournalTail tail_;
  std::unique_ptr<ApplyJournal> journal_;
  ChangeBatch batch_;
  std::uint64_t changes_ = 0;
  bool prepared_large_ = false;
};

using Outcomes = std::vector<ChangeBatch::Decided>;

// Outcomes as they become known: a batch at a time.
AsyncGenerator<Outcomes> Batches(AsyncGenerator<StoredPlan> plans, const ApplyOptions& options,
                                 const ApplyDeps& deps) {
  Applier applier(options, deps);
  std::optional<StoredPlan> plan;
  while (!applier.ended() && (plan = co_await plans.Next())) {
    applier.Begin(*plan);
    const std::vector<PlanCopy>& copies = plan->plan.copies;
    for (std::uint32_t i = 0; i < copies.size() && !applier.ended(); ++i) {
      const ApplyPosition position = {.plan_sequence = plan->sequence, .copy = i};
      if (IsKept(copies[i], plan->plan)) continue;
      if (deps.resume_after && position <= *deps.resume_after) continue;
      if (applier.MustCommitBefore(copies[i])) co_yield applier.Commit();
      co_await applier.Take(position, copies[i]);
      if (applier.MustCommit()) co_yield applier.Commit();
      co_await deps.scope.executor().YieldIfBusy();
    }
  }
  co_yield applier.Commit();
  applier.Finish();
}

}  // namespace

AsyncGenerator<ApplyItem> Apply(AsyncGenerator<StoredPlan> plans, ApplyOptions options,
                                ApplyDeps deps) {
  auto batches = Batches(std::move(plans), options, deps);
  while (auto batch = co_await batches.Next()) {
    for (auto& [position, outcome] : *batch) {
      co_yield ApplyItem(std::move(outcome));
      co_yield ApplyItem(ApplyCheckpoint{.position = position});
    }
  }
}

}  // namespace sluice
