#ifndef SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_H_
#define SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "server/jobs/job_manager.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// What the contract says of one job.
struct ModelJob {
  std::string id;
  std::string request_id;
  v1::JobSpec spec;
  v1::JobState state = v1::JOB_STATE_QUEUED;
  bool resumed_while_pausing = false;
  // Left the queue by a call: the manager may not have noticed that it will not run.
  bool may_hold_a_place = false;
  std::size_t needs = kNothing;  // The job whose scan it reads.
  bool deleted = false;
  bool expired = false;
  std::int64_t end_time_ns = 0;
  int failures_before_run = 0;  // Of its writes, when its last run began.

  static constexpr std::size_t kNothing = SIZE_MAX;
  bool ended() const;
  // Holds one of max_running_jobs.
  bool runs() const;
};

// The state machine of server/jobs/job.h and the calls of job_service.proto, without threads,
// events or a store: what each call answers and changes, and along which arrows a job moves by
// itself. `write` is what the store says to the call's next write.
class JobModel final {
 public:
  using Code = absl::StatusCode;
  explicit JobModel(JobLimits limits) : limits_(limits) {}

  // The answers that a call may get. It is one, but for the room that is left while the manager has
  // not yet noticed that a job which it was about to run will not.
  using Codes = std::set<Code>;
  // For `more` jobs.
  Codes Room(std::size_t more = 1) const;

  ModelJob& Add(ModelJob job);
  // Changes the job as far as the call is answered with OK. Room was looked at before.
  Code Pause(ModelJob& job, Code write);
  Code Resume(ModelJob& job, Code write);
  Code Cancel(ModelJob& job, Code write);
  Code Delete(ModelJob& job, Code write);

  // Takes over the state that a job has come to by itself; false when no arrow leads there.
  // `failures`: of its writes, so far.
  bool Observe(ModelJob& job, v1::JobState state, int failures);
  // Nothing that could run is left to run.
  void ManagerIsIdle();

  // The server stops, and comes back with the jobs as they were stored.
  void Drain() { draining_ = true; }
  static v1::JobState AfterRestart(v1::JobState stored, ResumeJobs policy);
  void Restarted();

  // Of a sweep: which jobs lose their events, or themselves.
  bool Expires(const ModelJob& job, std::int64_t ended_before_ns) const;
  bool IsNeeded(const ModelJob& job) const;

  // Empty, or what bound is exceeded.
  std::string BrokenBound() const;

  std::vector<ModelJob>& jobs() { return jobs_; }
  bool draining() const { return draining_; }

 private:
  std::size_t Accepted() const;
  bool MovesByItself(const ModelJob& job, v1::JobState to, bool write_failed) const;

  const JobLimits limits_;
  std::vector<ModelJob> jobs_;  // Oldest first.
  std::size_t recovered_ = 0;   // Were accepted by an earlier process, whatever the limits.
  bool draining_ = false;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_H_
