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
#include "sluice/v1/job.pb.h"
#include "sluice/v1/scan.pb.h"

namespace sluice {

struct JobLimits {
  std::size_t max_running_jobs = 16;
};

// Starts jobs, finds them, and ends them with the server.
//
// Thread-safe. All but Drain block on the catalog and on the roots: they are called on an
// executor's thread. Errors are those of sluice/v1/job_service.proto, with details.
// Lifetime: the environment, executor and clock outlive it. REQUIRES: Shutdown has ended before it
// is destroyed.
class JobManager final {
 public:
  // `report` is told of failures that no caller hears of (a job whose end could not be stored).
  using Report = std::function<void(const std::string&)>;

  JobManager(const JobEnvironment& environment, JobLimits limits, Executor& executor, Clock& clock,
             Report report);
  JobManager(const JobManager&) = delete;
  JobManager& operator=(const JobManager&) = delete;

  // Ends the jobs that an earlier process left unended: they have failed. Called once, first.
  absl::Status RecoverInterrupted();

  // Checks the spec and fills in its defaults; starts nothing.
  absl::StatusOr<v1::JobSpec> Check(v1::JobSpec spec, v1::Pacing default_pacing) const;

  // Starts a job with a spec that Check returned, or finds the one that the same request started.
  absl::StatusOr<std::shared_ptr<Job>> Start(v1::JobSpec spec, const std::string& request_id);

  // A job that runs or has ended; `name` is "jobs/{id}".
  absl::StatusOr<std::shared_ptr<Job>> Find(const std::string& name);
  absl::StatusOr<v1::Job> Cancel(const std::string& name);

  struct JobPage {
    std::vector<v1::Job> jobs;
    std::string next_page_token;
  };
  absl::StatusOr<JobPage> List(int page_size, const std::string& page_token,
                               const std::string& filter);

  absl::StatusOr<v1::Scan> GetScan(const std::string& name);
  struct ScanPage {
    std::vector<v1::Scan> scans;
    std::string next_page_token;
  };
  absl::StatusOr<ScanPage> ListScans(int page_size, const std::string& page_token);

  // No new jobs from now on; streams are told to end, jobs are stopped. Returns at once.
  void Drain();
  std::stop_token draining() const { return draining_.get_token(); }
  // Waits until every job has ended. REQUIRES: Drain was called.
  Task<> Join();

  const JobEnvironment& environment() const { return environment_; }
  const JobLimits& limits() const { return limits_; }

 private:
  absl::StatusOr<std::shared_ptr<Job>> FindById(const std::string& id);
  absl::StatusOr<std::shared_ptr<Job>> FindByRequest(const RequestKey& request);
  absl::StatusOr<std::shared_ptr<Job>> FromRecord(const JobRecord& record);
  // Calls visit(job) for jobs below `before_id`, newest first, until it returns false.
  absl::Status ForEachJob(const std::string& before_id, const std::string& kind,
                          const std::function<bool(const v1::Job&, const std::string&)>& visit);
  absl::Status Register(const std::shared_ptr<Job>& job);
  void Forget(const std::string& id);
  Task<> Run(std::shared_ptr<Job> job);

  const JobEnvironment& environment_;
  const JobLimits limits_;
  Executor& executor_;
  Clock& clock_;
  const Report report_;
  JobIdGenerator ids_;
  std::stop_source draining_;
  JobScope scope_;

  std::mutex mutex_;
  bool takes_no_more_ ABSL_GUARDED_BY(mutex_) = false;
  // Jobs that have not ended: at most max_running_jobs.
  std::map<std::string, std::shared_ptr<Job>> live_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_MANAGER_H_
