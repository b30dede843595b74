#include "tests/unit/jobs/job_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/jobs/job.h"

namespace sluice {

using enum absl::StatusCode;

bool ModelJob::ended() const { return IsFinal(state); }

bool ModelJob::runs() const {
  return state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_WAITING ||
         state == v1::JOB_STATE_PAUSING || state == v1::JOB_STATE_CANCELLING;
}

ModelJob& JobModel::Add(ModelJob job) {
  jobs_.push_back(std::move(job));
  return jobs_.back();
}

std::size_t JobModel::Accepted() const {
  return static_cast<std::size_t>(std::ranges::count_if(jobs_, [](const ModelJob& job) {
    return !job.deleted && (job.runs() || job.state == v1::JOB_STATE_QUEUED);
  }));
}

JobModel::Codes JobModel::Room(std::size_t more) const {
  if (draining_) return {kUnavailable};
  const std::size_t limit = limits_.max_running_jobs + limits_.max_queued_jobs;
  const auto unnoticed = static_cast<std::size_t>(
      std::ranges::count_if(jobs_, [](const ModelJob& job) { return job.may_hold_a_place; }));
  if (Accepted() + more > limit) return {kResourceExhausted};
  if (Accepted() + more + std::min(unnoticed, limits_.max_running_jobs) <= limit) return {kOk};
  return {kOk, kResourceExhausted};
}

JobModel::Code JobModel::Pause(ModelJob& job, Code write) {
  if (job.deleted) return kNotFound;
  switch (job.state) {
    case v1::JOB_STATE_QUEUED:
      if (write != kOk) return write;
      job.state = v1::JOB_STATE_PAUSED;
      job.may_hold_a_place = true;
      return kOk;
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_WAITING:
      job.state = v1::JOB_STATE_PAUSING;
      return kOk;
    case v1::JOB_STATE_PAUSING:
      if (job.resumed_while_pausing && write != kOk) return write;
      job.resumed_while_pausing = false;
      return kOk;
    case v1::JOB_STATE_PAUSED:
      return kOk;
    default:
      return kFailedPrecondition;
  }
}

JobModel::Code JobModel::Resume(ModelJob& job, Code write) {
  if (job.deleted) return kNotFound;
  switch (job.state) {
    case v1::JOB_STATE_PAUSED:
      if (write != kOk) return write;
      job.state = v1::JOB_STATE_QUEUED;
      job.may_hold_a_place = false;
      return kOk;
    case v1::JOB_STATE_PAUSING:
      if (!job.resumed_while_pausing && write != kOk) return write;
      job.resumed_while_pausing = true;
      return kOk;
    case v1::JOB_STATE_QUEUED:
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_WAITING:
      return kOk;
    default:
      return kFailedPrecondition;
  }
}

JobModel::Code JobModel::Cancel(ModelJob& job, Code write) {
  if (job.deleted) return kNotFound;
  if (job.runs()) {
    job.state = v1::JOB_STATE_CANCELLING;
    job.resumed_while_pausing = false;
  } else if (!job.ended()) {
    if (write != kOk) return write;
    job.may_hold_a_place |= job.state == v1::JOB_STATE_QUEUED;
    job.state = v1::JOB_STATE_CANCELLED;
  }
  return kOk;
}

JobModel::Code JobModel::Delete(ModelJob& job, Code write) {
  if (job.deleted) return kNotFound;
  if (!job.ended() || IsNeeded(job)) return kFailedPrecondition;
  if (write != kOk) return write;
  job.deleted = true;
  return kOk;
}

bool JobModel::MovesByItself(const ModelJob& job, v1::JobState to, bool write_failed) const {
  // A run that is done before it hears that it should stop has ended all the same. Here, scans
  // succeed and what reads them fails.
  const v1::JobState outcome = job.spec.has_scan() ? v1::JOB_STATE_SUCCEEDED : v1::JOB_STATE_FAILED;
  if (job.runs() && to == outcome) return true;
  if (job.runs() && to == v1::JOB_STATE_PAUSED && write_failed) return true;
  switch (job.state) {
    case v1::JOB_STATE_QUEUED:
      return to == v1::JOB_STATE_RUNNING && !draining_;
    case v1::JOB_STATE_RUNNING:
      return (to == v1::JOB_STATE_WAITING && job.spec.pacing() != v1::PACING_FREE_RUNNING) ||
             (to == v1::JOB_STATE_QUEUED && draining_);
    case v1::JOB_STATE_WAITING:
      return to == v1::JOB_STATE_RUNNING || (to == v1::JOB_STATE_QUEUED && draining_);
    case v1::JOB_STATE_PAUSING:
      return to == (job.resumed_while_pausing ? v1::JOB_STATE_QUEUED : v1::JOB_STATE_PAUSED);
    case v1::JOB_STATE_CANCELLING:
      return to == v1::JOB_STATE_CANCELLED;
    default:
      return false;
  }
}

bool JobModel::Observe(ModelJob& job, v1::JobState state, int failures) {
  if (state == job.state) return true;
  if (!MovesByItself(job, state, failures > job.failures_before_run)) return false;
  if (!job.runs()) job.failures_before_run = failures;
  job.state = state;
  if (!job.runs()) job.resumed_while_pausing = false;
  return true;
}

void JobModel::ManagerIsIdle() {
  for (ModelJob& job : jobs_) job.may_hold_a_place = false;
}

v1::JobState JobModel::AfterRestart(v1::JobState stored, ResumeJobs policy) {
  switch (stored) {
    case v1::JOB_STATE_QUEUED:
    case v1::JOB_STATE_RUNNING:
      return policy == ResumeJobs::kPaused ? v1::JOB_STATE_PAUSED : v1::JOB_STATE_QUEUED;
    case v1::JOB_STATE_PAUSING:
      return v1::JOB_STATE_PAUSED;
    case v1::JOB_STATE_CANCELLING:
      return v1::JOB_STATE_CANCELLED;
    default:
      return stored;
  }
}

void JobModel::Restarted() {
  draining_ = false;
  ManagerIsIdle();
  recovered_ = Accepted();
}

bool JobModel::Expires(const ModelJob& job, std::int64_t ended_before_ns) const {
  return !job.deleted && job.ended() && job.end_time_ns < ended_before_ns && !IsNeeded(job);
}

bool JobModel::IsNeeded(const ModelJob& job) const {
  return std::ranges::any_of(jobs_, [&](const ModelJob& other) {
    return !other.ended() && other.needs != ModelJob::kNothing && &jobs_[other.needs] == &job;
  });
}

std::string JobModel::BrokenBound() const {
  const auto running = static_cast<std::size_t>(std::ranges::count_if(jobs_, &ModelJob::runs));
  if (running > limits_.max_running_jobs) return absl::StrCat(running, " jobs run");
  const std::size_t limit =
      std::max(recovered_, limits_.max_running_jobs + limits_.max_queued_jobs);
  if (Accepted() > limit) return absl::StrCat(Accepted(), " jobs are queued or run");
  return "";
}

}  // namespace sluice
