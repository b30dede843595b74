#ifndef SLUICE_SERVER_JOBS_JOB_H_
#define SLUICE_SERVER_JOBS_JOB_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"

#include "pipeline/async/clock.h"
#include "pipeline/stages/counters.h"
#include "server/catalog/catalog.h"
#include "server/jobs/convert.h"
#include "server/jobs/event_log.h"
#include "server/jobs/job_kind.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// What identifies a request to start a job, so that it is carried out once.
struct RequestKey {
  std::string id;    // Empty: every request is a new one.
  std::string hash;  // Of the spec.
};

// A job: its spec, its state, its counters, and the live end of its event log.
//
// The runner moves it through its states and appends its events; RPCs take snapshots, follow the
// log, and ask it to stop. A job that ended before this process looked at it is made from its
// record and never changes.
//
// Thread-safe, but Append, MarkRunning and Finish belong to the runner. Lifetime: the environment
// outlives it; held by shared_ptr, since streams may read it after it has ended.
class Job final : public EventLog::WaitObserver {
 public:
  // A new job, in JOB_STATE_QUEUED. REQUIRES: FindJobKind(spec) != nullptr.
  Job(std::string id, v1::JobSpec spec, RequestKey request, const JobEnvironment& environment,
      const Clock& clock);
  // One that the catalog knows. REQUIRES: `stored` was made from a Job.
  Job(const v1::Job& stored, const JobRecord& record, const JobEnvironment& environment,
      const Clock& clock);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  const std::string& id() const { return id_; }
  const v1::JobSpec& spec() const { return spec_; }
  const JobKind& kind() const { return *kind_; }
  PipelineCounters& counters() { return counters_; }
  EventLog& log() { return *log_; }
  // The log, for a subscription that may live longer than the caller.
  std::shared_ptr<EventLog> shared_log() { return log_; }
  std::stop_token stop_token() const { return stop_source_.get_token(); }

  v1::Job Snapshot() const;
  v1::Progress CurrentProgress() const;
  v1::JobSummary Summary() const;
  v1::JobState state() const;
  // As the catalog stores it now.
  JobRecord ToRecord() const;

  // Asks it to stop; returns at once. Nothing happens when it has ended, or was asked before.
  void RequestCancel();
  // The same because the server stops: the job then fails instead of being cancelled.
  void Interrupt();

  // The runner's.
  void MarkRunning();
  // Stores the items as events, then publishes them.
  absl::Status Append(std::vector<JobItem> items);
  // Ends the job with what its pipeline came to: stores and publishes the last event, closes the
  // log. When even that cannot be stored the error is returned, and the job has ended all the same.
  absl::Status Finish(const absl::Status& outcome);
  void OnWaiting(bool waiting) override;

 private:
  struct RateSample {
    Clock::TimePoint time;
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
  };

  std::uint64_t ItemsDone() const;
  void AddRates(v1::Progress& progress) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What changes of a job, as a value: the end of a job is made, stored, and only then shown.
  struct Facts {
    v1::JobState state = v1::JOB_STATE_QUEUED;
    std::int64_t create_time_ns = 0;
    std::int64_t start_time_ns = 0;  // 0: not yet.
    std::int64_t end_time_ns = 0;    // 0: not yet.
    std::uint64_t version = 1;       // Of what is stored.
    google::rpc::Status error;
  };

  v1::Job MakeJob(const Facts& facts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Progress MakeProgress(const Facts& facts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::JobCounters MakeCounters() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::JobSummary MakeSummary(const Facts& facts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  JobRecord MakeRecord(const Facts& facts, std::uint64_t last_sequence) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Facts EndedWith(const absl::Status& outcome) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const JobItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string id_;
  const v1::JobSpec spec_;
  const RequestKey request_;
  const JobKind* const kind_;
  const JobEnvironment& environment_;
  const Clock& clock_;
  const PlanNames plan_names_;
  const std::shared_ptr<EventLog> log_;
  PipelineCounters counters_;
  std::stop_source stop_source_;

  mutable std::mutex mutex_;  // Taken before the log's own, never after it.
  Facts facts_ ABSL_GUARDED_BY(mutex_);
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  // Results so far, with what the pipeline's counters do not know. `stages` is filled in snapshots.
  v1::JobCounters results_ ABSL_GUARDED_BY(mutex_);
  mutable std::deque<RateSample> rate_samples_ ABSL_GUARDED_BY(mutex_);
};

bool IsFinal(v1::JobState state);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_H_
