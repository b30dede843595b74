#ifndef SLUICE_SERVER_JOBS_JOB_MANAGER_H_
#define SLUICE_SERVER_JOBS_JOB_MANAGER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "server/jobs/job.h"
#include "server/jobs/job_id.h"
#include "server/jobs/job_kind.h"
#include "server/jobs/job_queue.h"
#include "server/jobs/job_table.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

struct JobLimits {
  std::size_t max_running_jobs = 16;
  std::size_t max_queued_jobs = 1000;
};

// What becomes of the deletion of a job that can still be undone.
enum class IfUndoable : std::uint8_t { kRefuse, kDiscard };

// What becomes of jobs that had not ended when the server was started.
enum class ResumeJobs : std::uint8_t { kAuto, kPaused };

// Starts jobs, changes them, and carries them over from one server process to the next
// ====================================================================================
//
// At most max_running_jobs run at a time; at most max_queued_jobs wait for their turn, which comes
// by priority and then by age. Jobs that run share the executor's threads: each gives its thread up
// after every few MiB or few hundred items when somebody waits for one, so that a small job ends
// beside a huge one. Paused jobs are in the catalog only.
//
// Thread-safe. All but Drain block on the catalog and on the roots: they are called on an
// executor's thread. Errors are those of sluice/v1/job_service.proto, with details.
// Lifetime: the environment, executor and clock outlive it. REQUIRES: Join has ended before it is
// destroyed.
class JobManager final {
 public:
  // `report` is told of failures that no caller hears of (a job that could not store).
  using Report = std::function<void(const std::string&)>;

  JobManager(const JobEnvironment& environment, JobLimits limits, Executor& executor, Clock& clock,
             Report report);
  JobManager(const JobManager&) = delete;
  JobManager& operator=(const JobManager&) = delete;

  // Goes on with the jobs that an earlier process left unended. Called once, first.
  absl::Status Recover(ResumeJobs policy);

  // Whether a job with a spec that CheckSpec returned could be started beside those that have not
  // ended. FAILED_PRECONDITION.
  absl::Status CheckBeside(const v1::JobSpec& spec);
  // Starts a job with such a spec, if it passes CheckBeside, or finds the one that the same request
  // started.
  absl::StatusOr<std::shared_ptr<Job>> Start(v1::JobSpec spec, const std::string& request_id);

  // `name` is "jobs/{id}". All but Delete return the job as it is then.
  absl::StatusOr<std::shared_ptr<Job>> Find(const std::string& name);
  absl::StatusOr<v1::Job> Pause(const std::string& name);
  absl::StatusOr<v1::Job> Resume(const std::string& name);
  absl::StatusOr<v1::Job> Cancel(const std::string& name);
  // The job as it was.
  absl::StatusOr<v1::Job> Delete(const std::string& name,
                                 IfUndoable if_undoable = IfUndoable::kRefuse);

  // Of a job that somebody has: the same.
  absl::Status Pause(const std::shared_ptr<Job>& job);
  absl::Status Cancel(const std::shared_ptr<Job>& job);
  // With what it could be undone with; kDiscard: also where its journal cannot be read. REQUIRES:
  // it is none of NeededJobs.
  absl::Status Delete(const std::shared_ptr<Job>& job,
                      IfUndoable if_undoable = IfUndoable::kRefuse);

  JobTable& table() { return table_; }
  // Ids of the jobs whose results a job that has not ended reads.
  absl::StatusOr<std::map<std::string, std::string>> NeededJobs();

  // No new jobs from now on; streams are told to end, jobs are stopped where they are, for the next
  // process to go on with. Returns at once.
  void Drain();
  std::stop_token draining() const { return draining_.get_token(); }
  // Waits until every run has ended. REQUIRES: Drain was called.
  Task<> Join() { return scope_.Join(); }

  const JobEnvironment& environment() const { return environment_; }
  const JobLimits& limits() const { return limits_; }

 private:
  absl::StatusOr<std::shared_ptr<Job>> Create(v1::JobSpec spec, const RequestKey& request);
  absl::StatusOr<std::shared_ptr<Job>> FindByRequest(const RequestKey& request);
  // Room for one more, until Settle or GiveBack.
  absl::Status Reserve();
  void GiveBack();
  // Puts the job into the queue, or out of it, as its state says; starts what may start.
  void Settle(const std::shared_ptr<Job>& job);
  void StartWaiting();
  Task<> Run(std::shared_ptr<Job> job);

  const JobEnvironment& environment_;
  const JobLimits limits_;
  Executor& executor_;
  Clock& clock_;
  const Report report_;
  JobTable table_;
  JobIdGenerator ids_;
  std::stop_source draining_;
  JobScope scope_;

  // Held while a job that may not run beside every other is looked at and created, and while an
  // apply job is deleted: of two undos at once one is refused, and none begins on a journal that
  // goes. Taken before all others; blocks on the catalog and the disk.
  std::mutex undoing_;

  std::mutex mutex_;
  bool drains_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  JobQueue queue_ ABSL_GUARDED_BY(mutex_);
  // At most max_running_jobs.
  std::map<std::string, std::shared_ptr<Job>> running_ ABSL_GUARDED_BY(mutex_);
  // Jobs that stopped since they could not store, kept until they can: what is stored of them is
  // older than what was shown. At most as many as had been accepted.
  std::map<std::string, std::shared_ptr<Job>> unstored_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_MANAGER_H_
