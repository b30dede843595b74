// How a job changes, but for its runs (job_run.cc): see the drawing in job.h.

#include <utility>

#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"
#include "server/jobs/job.h"

namespace sluice {
namespace {

absl::Status StateError(const std::string& id, v1::JobState state, absl::string_view wanted) {
  constexpr std::string_view kPrefix = "JOB_STATE_";
  return PreconditionError("JOB_STATE", absl::StrCat("jobs/", id),
                           absl::StrCat("jobs/", id, " cannot be ", wanted, ": it is ",
                                        v1::JobState_Name(state).substr(kPrefix.size())));
}

absl::Status DeletedError(const std::string& id) {
  return NotFoundError("job", absl::StrCat("jobs/", id));
}

}  // namespace

absl::Status Job::CheckDeleted() const { return deleted_ ? DeletedError(id_) : absl::OkStatus(); }

absl::Status Job::Create() {
  std::lock_guard changing(store_);
  JobRecord record;
  {
    std::lock_guard lock(mutex_);
    record = MakeRecord(facts_, 0);
  }
  return environment_.catalog.CreateJob(record);
}

absl::Status Job::Store(Facts next, EventLog::Chunk events, const KnownContents& contents) {
  ++next.version;
  JobRecord record;
  {
    std::lock_guard lock(mutex_);
    record = MakeRecord(next, events.empty() ? log_->extent().last : events.back().sequence);
  }
  const absl::Status stored = environment_.catalog.Append(record, events, contents);
  if (!stored.ok()) return CatalogError(stored);
  {
    // At once: nobody sees the state without its event, or the event without the state.
    std::lock_guard lock(mutex_);
    facts_ = std::move(next);
    log_->Publish(std::move(events));
  }
  return absl::OkStatus();
}

void Job::Show(Facts next) {
  {
    std::lock_guard lock(mutex_);
    facts_ = std::move(next);
  }
  log_->changed().Notify();
}

absl::Status Job::StoreState(Facts next) {
  v1::StateChange change;
  change.set_state(next.state);
  std::uint64_t sequence = 0;
  {
    std::lock_guard lock(mutex_);
    sequence = log_->extent().last + 1;
    if (IsFinal(next.state)) *change.mutable_summary() = MakeSummary(next);
  }
  EventLog::Chunk events;
  events.push_back(ToEventRecord(change, sequence, clock_.UnixNanos()));
  return Store(std::move(next), std::move(events));
}

absl::Status Job::Finish(Facts next) {
  next.end_time_ns = clock_.UnixNanos();
  if (absl::Status stored = StoreState(std::move(next)); !stored.ok()) return stored;
  log_->Close();
  return absl::OkStatus();
}

absl::Status Job::StopRun(v1::JobState intent) {
  Facts next = CopyFacts();
  next.state = intent;
  next.resumes = false;
  if (!Store(next, {}).ok()) {
    ++next.version;
    Show(std::move(next));
  }
  CopyRunStop().request_stop();
  return absl::OkStatus();
}

absl::Status Job::Pause() {
  std::lock_guard changing(store_);
  if (absl::Status status = CheckDeleted(); !status.ok()) return status;
  Facts next = CopyFacts();
  switch (next.state) {
    case v1::JOB_STATE_QUEUED:
      next.state = v1::JOB_STATE_PAUSED;
      return StoreState(std::move(next));
    case v1::JOB_STATE_RUNNING:
      return StopRun(v1::JOB_STATE_PAUSING);
    case v1::JOB_STATE_PAUSING:
      if (!std::exchange(next.resumes, false)) return absl::OkStatus();
      return Store(std::move(next), {});
    case v1::JOB_STATE_PAUSED:
      return absl::OkStatus();
    default:
      return StateError(id_, next.state, "paused");
  }
}

absl::Status Job::Resume() {
  std::lock_guard changing(store_);
  if (absl::Status status = CheckDeleted(); !status.ok()) return status;
  Facts next = CopyFacts();
  switch (next.state) {
    case v1::JOB_STATE_PAUSED:
      next.state = v1::JOB_STATE_QUEUED;
      next.error.Clear();
      return StoreState(std::move(next));
    case v1::JOB_STATE_PAUSING:
      if (std::exchange(next.resumes, true)) return absl::OkStatus();
      return Store(std::move(next), {});
    case v1::JOB_STATE_QUEUED:
    case v1::JOB_STATE_RUNNING:
      return absl::OkStatus();
    default:
      return StateError(id_, next.state, "resumed");
  }
}

absl::Status Job::Cancel() {
  std::lock_guard changing(store_);
  if (absl::Status status = CheckDeleted(); !status.ok()) return status;
  Facts next = CopyFacts();
  switch (next.state) {
    case v1::JOB_STATE_QUEUED:
    case v1::JOB_STATE_PAUSED:
      next.state = v1::JOB_STATE_CANCELLED;
      next.error.Clear();
      return Finish(std::move(next));
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_PAUSING:
      return StopRun(v1::JOB_STATE_CANCELLING);
    default:
      return absl::OkStatus();
  }
}

absl::Status Job::Delete() {
  std::lock_guard changing(store_);
  if (absl::Status status = CheckDeleted(); !status.ok()) return status;
  if (const v1::JobState state = CopyFacts().state; !IsFinal(state)) {
    return StateError(id_, state, "deleted");
  }
  absl::Status status = environment_.catalog.DeleteJob(id_);
  if (!status.ok() && !absl::IsNotFound(status)) return CatalogError(status);
  deleted_ = true;
  log_->Fail(DeletedError(id_));
  return absl::OkStatus();
}

absl::StatusOr<bool> Job::ExpireEvents() {
  std::lock_guard changing(store_);
  if (deleted_ || !IsFinal(CopyFacts().state) || readers_ > 0 || log_->has_subscriptions()) {
    return false;
  }
  if (absl::Status status = environment_.catalog.ExpireEvents(id_); !status.ok()) {
    return CatalogError(status);
  }
  log_->Expire();
  return true;
}

absl::StatusOr<Job::ReadLease> Job::ReadLease::Acquire(std::shared_ptr<Job> job) {
  std::lock_guard changing(job->store_);
  if (absl::Status status = job->CheckDeleted(); !status.ok()) return status;
  const EventLog::Extent extent = job->log_->extent();
  if (extent.oldest > 1) return ExpiredError(1, extent);
  ++job->readers_;
  return ReadLease(std::move(job));
}

absl::Status Job::Recover(bool pause) {
  std::lock_guard changing(store_);
  Facts next = CopyFacts();
  switch (next.state) {
    case v1::JOB_STATE_CANCELLING:
      next.state = v1::JOB_STATE_CANCELLED;
      return Finish(std::move(next));
    case v1::JOB_STATE_QUEUED:
      if (!pause) return absl::OkStatus();
      [[fallthrough]];
    case v1::JOB_STATE_PAUSING:
      next.state = v1::JOB_STATE_PAUSED;
      return StoreState(std::move(next));
    default:
      return absl::OkStatus();
  }
}

void Job::Drain() {
  std::lock_guard changing(store_);
  draining_ = true;
  CopyRunStop().request_stop();
}

std::stop_source Job::CopyRunStop() const {
  std::lock_guard lock(mutex_);
  return run_stop_;
}

std::stop_token Job::run_stop_token() const { return CopyRunStop().get_token(); }

PipelineCounters& Job::counters() {
  std::lock_guard lock(mutex_);
  return *counters_;
}

}  // namespace sluice
