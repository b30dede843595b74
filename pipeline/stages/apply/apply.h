#ifndef SLUICE_PIPELINE_STAGES_APPLY_APPLY_H_
#define SLUICE_PIPELINE_STAGES_APPLY_APPLY_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/private_directory.h"
#include "pipeline/fs/roots.h"
#include "pipeline/stages/apply/journal.h"
#include "pipeline/stages/apply/outcome.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/plan.h"

namespace sluice {

// Carrying out plans without ever losing a byte
// =============================================
//
//   auto items = Apply(ReadPlans(reconcile_job), options, deps);
//   while (auto item = co_await items.Next()) ...    // ApplyOutcome, ApplyCheckpoint
//
// Takes each copy of each plan in turn and yields its outcome, followed by a checkpoint. Copies are
// changed in batches of at most kMaxBatchChanges: pinned, leased and compared one after the other,
// their intents made durable together, and then changed (see change.h for the order of steps,
// and what each protects from).
//
// P1  At every instant every planned path holds its old bytes or identical new ones (but kRemove;
// and where another job takes away the target of a kSymlink, until one of the two puts it back).
// P2  No content is dropped unless another copy, which is durable, was compared with it under
// lease. P3  What was written, replaced, renamed or opened for writing since the plan is skipped.
// P4  Whatever the moment of a crash, RecoverJournal leads to the state before or after a change.
// P5  Nothing outside of the allowed roots is opened, made or removed.
// P6  What was done can be undone from the journal.
//
// A dry run takes the same steps up to, and without, the intent.
//
// Blocks on the disk; gives its thread back between batches. Cancellation: between two files, and
// while a large one is compared; never in the middle of a change. Throws Cancelled; StatusError
// when the journal cannot be written.

enum class MetadataPolicy : std::uint8_t { kRequireEqual, kIgnoreTimes, kTakeSource };

struct ApplyOptions {
  std::optional<Action> action;  // Instead of the plans' own.
  enum class Mode : std::uint8_t { kDryRun, kExecute } mode = Mode::kDryRun;
  enum class Verify : std::uint8_t { kBytes, kDigest } verify = Verify::kBytes;
  MetadataPolicy metadata = MetadataPolicy::kRequireEqual;
  bool allow_unleased = false;
  // The job ends after so many changes (or would-be changes).
  std::uint64_t max_changes = std::numeric_limits<std::uint64_t>::max();
  // Removed files are kept for an undo; otherwise unlinked.
  enum class Removed : std::uint8_t { kQuarantine, kDelete } removed = Removed::kQuarantine;
};

// A plan (part) as it is stored.
struct StoredPlan {
  std::uint64_t sequence = 0;  // Its event's.
  std::string name;            // "plans/{id}".
  Plan plan;
  bool other_host = false;  // Its files were recorded by another host.
};

struct ApplyDeps {
  FsOps& fs;
  const AllowedRoots& roots;
  JobScope& scope;
  PipelineCounters& counters;
  // Of this job; unique on this host, as it is part of the names of temporary files.
  std::string job_id;
  // Of this job, recovered (see RecoverJournal); empty in a dry run.
  std::string journal_path;
  // What was decided before up to and including this is passed over, changes counted in.
  std::optional<ApplyPosition> resume_after;
};

inline constexpr std::size_t kMaxBatchChanges = 64;

AsyncGenerator<ApplyItem> Apply(AsyncGenerator<StoredPlan> plans, ApplyOptions options,
                                ApplyDeps deps);

// Undoes what the journal `undone` says was applied, in its order. Options: mode, allow_unleased
// and max_changes. A path that is not any more what was made of it is skipped.
AsyncGenerator<ApplyItem> Undo(std::string undone, ApplyOptions options, ApplyDeps deps);

// Brings every change that the journal has begun and not ended into the state before or after it,
// appends how it ended, and removes what was left in stage directories. Idempotent; a journal that
// does not exist is fine. Called at the start of a server for every journal, and before a job goes
// on. UNAVAILABLE when a file system does not answer: what is left is done by the next call.
absl::Status RecoverJournal(FsOps& fs, const AllowedRoots& roots, const std::string& journal_path);

// Deletes what the changes of this journal have kept for an undo, as far as it can be reached and
// read. The journal stays. Idempotent. UNAVAILABLE when a file may still be kept, since its file
// system is not mounted or fails: the next call deletes it. Else the reader's errors.
absl::Status DiscardKept(FsOps& fs, const AllowedRoots& roots, const std::string& journal_path);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_APPLY_H_
