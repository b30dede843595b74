#ifndef SLUICE_SERVER_JOBS_JOB_H_
#define SLUICE_SERVER_JOBS_JOB_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/async/clock.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/recorded_items.h"
#include "server/catalog/catalog.h"
#include "server/jobs/convert.h"
#include "server/jobs/event_log.h"
#include "server/jobs/job_kind.h"
#include "server/jobs/progress_meter.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// What identifies a request to start a job, so that it is carried out once.
struct RequestKey {
  std::string id;    // Empty: every request is a new one.
  std::string hash;  // Of the spec.
};

// A job: its spec, its state, its counters, and the live end of its event log
// ===========================================================================
//
//            Resume            BeginRun               EndRun
//   PAUSED ─────────► QUEUED ───────────► RUNNING ─────────────► SUCCEEDED, FAILED
//     ▲ ▲               │  ▲              │  │  │ Cancel
//     │ └───────────────┘  └──────────────┘  │  └────► CANCELLING ──► CANCELLED
//     │       Pause           the server     │ Pause
//     └───────────────────────── stops ──────┴───────► PAUSING
//
// 1. Each change is stored before anybody can see it, in one transaction with the event that tells
//    of it (PAUSED, QUEUED after a pause, and the final states have one). What is stored for a job
//    that runs is enough to go on with it in another process.
// 2. A change that cannot be stored does not happen; but a job that runs, and cannot store (or read
//    back, or spool), stops and is PAUSED, with the disk's error, until someone resumes it.
// 3. Between BeginRun and EndRun the runner alone appends events.
//
// There is one object of a job as long as anybody holds it (see JobTable). Thread-safe; all but the
// plain accessors block on the catalog. Lifetime: the environment outlives it; held by shared_ptr,
// since streams may read it after it has ended.
class Job final : public EventLog::WaitObserver {
 public:
  // A new job, QUEUED, not stored yet. REQUIRES: FindJobKind(spec) != nullptr.
  Job(std::string id, v1::JobSpec spec, RequestKey request, const JobEnvironment& environment,
      const Clock& clock);
  // One that the catalog knows. A run that another process had begun is over: what was RUNNING is
  // QUEUED. REQUIRES: `stored` is ParseJob(record).
  Job(const v1::Job& stored, const JobRecord& record, const JobEnvironment& environment,
      const Clock& clock);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  const std::string& id() const { return id_; }
  const v1::JobSpec& spec() const { return spec_; }
  const JobKind& kind() const { return *kind_; }
  EventLog& log() { return *log_; }
  // The log, for a subscription that may live longer than the caller.
  std::shared_ptr<EventLog> shared_log() { return log_; }

  v1::Job Snapshot() const;
  v1::Progress CurrentProgress() const;
  v1::JobSummary Summary() const;
  v1::JobState state() const;

  // Stores a new job. ALREADY_EXISTS: its request_id is taken.
  absl::Status Create();

  // What the RPCs of these names do; idempotent. Errors: FAILED_PRECONDITION, and the catalog's.
  absl::Status Pause();
  absl::Status Resume();
  absl::Status Cancel();
  absl::Status Delete();
  // Gives up the events of a job that has ended and that nobody reads; false otherwise.
  absl::StatusOr<bool> ExpireEvents();

  // Called once, at the start of a server, for a job that had not ended: carries out what it was
  // asked for before, and (`pause`) leaves a job that waits for its turn PAUSED.
  absl::Status Recover(bool pause);
  // The server stops: a run ends soon, and the job will go on with the next process.
  void Drain();

  // The runner's. BeginRun is false when the job is no longer QUEUED.
  bool BeginRun();
  // Stopped when the run should end.
  std::stop_token run_stop_token() const;
  // What the run's stages count. Of this run only, valid until EndRun.
  PipelineCounters& counters();
  // What earlier runs have recorded: set by the runner before the first Append.
  void SetRecorded(std::unique_ptr<RecordedItems> recorded);
  const RecordedItems* recorded() const { return recorded_.get(); }
  // Of the stored checkpoint: what the pipeline said, and the last event that it covers.
  struct Checkpoint {
    std::uint64_t sequence = 0;
    std::string state;
  };
  Checkpoint checkpoint() const;
  // Stores as events what is not recorded yet, then publishes them.
  absl::Status Append(std::vector<JobItem> items);
  // The run has come to this outcome, and nothing of it is left. Returns what could not be stored.
  absl::Status EndRun(const absl::Status& outcome);
  void OnWaiting(bool waiting) override;

  // Someone who reads the job's results: they do not expire meanwhile.
  class ReadLease final {
   public:
    // OUT_OF_RANGE when they have expired, NOT_FOUND when the job was deleted.
    static absl::StatusOr<ReadLease> Acquire(std::shared_ptr<Job> job);
    ReadLease(ReadLease&& other) noexcept = default;
    ReadLease& operator=(ReadLease&&) = delete;
    ~ReadLease() {
      if (job_) --job_->readers_;
    }

   private:
    explicit ReadLease(std::shared_ptr<Job> job) : job_(std::move(job)) {}
    std::shared_ptr<Job> job_;
  };

 private:
  // What changes of a job, as a value: a change is made, stored, and only then shown.
  struct Facts {
    v1::JobState state = v1::JOB_STATE_QUEUED;  // Never WAITING.
    bool resumes = false;                       // PAUSING only: goes on as soon as it is PAUSED.
    std::int64_t create_time_ns = 0;
    std::int64_t start_time_ns = 0;  // 0: not yet.
    std::int64_t end_time_ns = 0;    // 0: not yet.
    std::uint64_t version = 1;       // Of what is stored.
    google::rpc::Status error;
    v1::JobCounters results;  // As of the last event; stages as the last run left them.
    Checkpoint checkpoint;
  };

  // Without its spec, which never changes and is stored beside it.
  v1::Job MakeJob(const Facts& facts, std::uint64_t last_sequence) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::JobSummary MakeSummary(const Facts& facts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::JobCounters MakeCounters(const Facts& facts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  JobRecord MakeRecord(const Facts& facts, std::uint64_t last_sequence) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::JobState ShownState() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::WaitReason ShownWaitReason() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Facts CopyFacts() const;
  // Stops the run in progress when it is told to: not while a lock is held that the run may need.
  std::stop_source CopyRunStop() const;
  // Stores and shows. Nothing has changed if it fails.
  absl::Status Store(Facts next, EventLog::Chunk events, const KnownContents& contents = {})
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_);
  // Shows what could not be stored.
  void Show(Facts next);
  // The same with the event of the new state.
  absl::Status StoreState(Facts next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_);
  // To an intent (PAUSING, CANCELLING): the run is told first, and what is stored helps a restart.
  absl::Status StopRun(v1::JobState intent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_);
  absl::Status Finish(Facts next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_);
  absl::Status CheckDeleted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_);
  std::optional<EventRecord> ToNewEvent(JobItem item, Facts& facts, std::uint64_t sequence,
                                        std::int64_t time_ns) const;
  Facts AfterRun(const absl::Status& outcome) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_);

  const std::string id_;
  const v1::JobSpec spec_;
  const std::string spec_bytes_ = spec_.SerializeAsString();  // Every record holds them.
  const RequestKey request_;
  const JobKind* const kind_;
  const JobEnvironment& environment_;
  const Clock& clock_;
  const PlanNames plan_names_;
  const std::shared_ptr<EventLog> log_;
  std::unique_ptr<RecordedItems> recorded_;  // The runner's.
  std::atomic<bool> resuming_ = false;       // Until the runner knows what is recorded.
  std::atomic<int> readers_ = 0;

  // Held over each change, its transaction included: changes follow each other.
  std::mutex store_;
  bool deleted_ ABSL_GUARDED_BY(store_) = false;
  bool draining_ ABSL_GUARDED_BY(store_) = false;
  absl::Status store_error_ ABSL_GUARDED_BY(store_);  // Why the run that ends could not store.

  // Guards what is shown. Taken after store_ and before the log's own; never held while blocking.
  mutable std::mutex mutex_;
  Facts facts_ ABSL_GUARDED_BY(mutex_);
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  Clock::TimePoint waiting_since_ ABSL_GUARDED_BY(mutex_);  // While waiting_.
  // What this run has waited for, what it waits for now left out.
  struct Waits {
    Clock::Duration catalog = {};
    Clock::Duration consumers = {};
  };
  Waits waits_ ABSL_GUARDED_BY(mutex_);
  // Replaced between two runs.
  std::unique_ptr<PipelineCounters> counters_ ABSL_GUARDED_BY(mutex_) =
      std::make_unique<PipelineCounters>();
  std::stop_source run_stop_ ABSL_GUARDED_BY(mutex_);
  mutable ProgressMeter progress_ ABSL_GUARDED_BY(mutex_);
};

bool IsFinal(v1::JobState state);

// The job of a record. DATA_LOSS when it cannot be read.
absl::StatusOr<v1::Job> ParseJob(const JobRecord& record);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_H_
