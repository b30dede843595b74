#ifndef SLUICE_SERVER_JOBS_APPLY_JOURNALS_H_
#define SLUICE_SERVER_JOBS_APPLY_JOURNALS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/roots.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// The journals of the apply jobs that have changed something, and what can be undone with them
// ============================================================================================
//
// Each is a file "{job id}.journal" in one directory. It is there from the first change of its job
// until what the job did cannot be undone any more, or the job is deleted. A dry run has none.
//
// Thread-safe. Blocks on the disk. Lifetime: what it is made of outlives it. Errors, with details
// for a client: UNAVAILABLE (JOURNAL_UNAVAILABLE: a file system is not mounted, or fails; a later
// call may succeed), DATA_LOSS (JOURNAL_DAMAGED: it cannot be read).
class ApplyJournals final {
 public:
  using Report = std::function<void(const std::string&)>;

  // `directory` exists. `report` hears of what no caller does.
  ApplyJournals(FsOps& fs, const AllowedRoots& roots, std::string directory, Report report)
      : fs_(fs), roots_(roots), directory_(std::move(directory)), report_(std::move(report)) {}

  FsOps& fs() const { return fs_; }
  std::string PathOf(const std::string& job_id) const;
  bool Exists(const std::string& job_id) const;
  // Ids of the jobs that have one.
  absl::StatusOr<std::vector<std::string>> List() const;

  // Ends what a run that was interrupted has begun: see RecoverJournal. OK where there is none.
  absl::Status Recover(const std::string& job_id) const;
  // That of each, at the start of a server; those that failed are reported.
  void RecoverAll() const;
  // Gives up what the job can be undone with: deletes what is kept for that, then the journal.
  // OK where there is none. After an error the journal is still there, and what it knows of. Of a
  // damaged one, what can be read is given up (kRemove: then the journal too, with what it knew
  // beyond that). REQUIRES: the job has ended, and nothing undoes it.
  enum class IfDamaged : std::uint8_t { kFail, kRemove };
  absl::Status Discard(const std::string& job_id, IfDamaged if_damaged = IfDamaged::kFail) const;

  // Reports what became of a job's journal, if it is an error and another one than last time: what
  // is tried again and again fails again and again.
  void ReportNew(const std::string& job_id, const absl::Status& status) const;

  // Until when the job can be undone (since 1970-01-01 UTC, in ns); nullopt where there is nothing
  // to undo, or not any more at `now_ns`.
  std::optional<std::int64_t> UndoableUntil(const v1::Job& job, std::int64_t now_ns) const;
  // Sets the job's undo_expire_time accordingly.
  void ShowUndo(v1::Job& job, std::int64_t now_ns) const;

 private:
  bool HoldsChange(const v1::Job& job) const;

  FsOps& fs_;
  const AllowedRoots& roots_;
  const std::string directory_;
  const Report report_;

  mutable std::mutex mutex_;
  // Of journals that something is wrong with, what was reported last.
  mutable std::map<std::string, std::string> reported_ ABSL_GUARDED_BY(mutex_);
};

// Unless it says otherwise, an apply job changes nothing.
bool IsDryRun(const v1::ApplySpec& spec);
// In ns. REQUIRES: a spec that was checked.
std::int64_t UndoWindow(const v1::ApplySpec& spec);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_APPLY_JOURNALS_H_
