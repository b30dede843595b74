#include "server/jobs/job.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"

namespace sluice {
namespace {

PlanNames PlanNamesOf(const std::string& id, const v1::JobSpec& spec, const std::string& host) {
  PlanNames names{.job_id = id, .scans = {}, .host = host};
  names.scans.assign(spec.reconcile().scans().begin(), spec.reconcile().scans().end());
  return names;
}

void AddDuration(std::int64_t ns, google::protobuf::Duration& sum) {
  sum = ToDuration(FromDuration(sum) + ns);
}

// How a stage's figure goes on in a later run of the same job.
enum class InLaterRuns : std::uint8_t { kIsAddedTo, kBeginsAnew };

void AddStage(std::string_view name, const StageCounter& counter, InLaterRuns later,
              const v1::JobCounters& earlier, v1::JobCounters& counters) {
  v1::JobCounters::Stage stage;
  stage.set_name(std::string(name));
  stage.set_items(counter.items.load(std::memory_order_relaxed));
  stage.set_bytes(counter.bytes.load(std::memory_order_relaxed));
  for (const v1::JobCounters::Stage& before : earlier.stages()) {
    if (before.name() != name) continue;
    const bool sum = later == InLaterRuns::kIsAddedTo;
    // What begins anew is not shown to go back meanwhile.
    stage.set_items(sum ? before.items() + stage.items() : std::max(before.items(), stage.items()));
    stage.set_bytes(sum ? before.bytes() + stage.bytes() : std::max(before.bytes(), stage.bytes()));
    *stage.mutable_busy_time() = before.busy_time();  // Spent, whatever became of it.
  }
  const std::int64_t busy = counter.busy_ns.load(std::memory_order_relaxed);
  AddDuration(busy, *stage.mutable_busy_time());
  if (stage.busy_time().seconds() == 0 && stage.busy_time().nanos() == 0) stage.clear_busy_time();
  if (stage.items() != 0) *counters.add_stages() = std::move(stage);
}

const StageCounter& StageOf(std::string_view name, const PipelineCounters& counters) {
  if (name == "enumerate") return counters.enumerate;
  if (name == "digest") return counters.digest;
  return name == "apply" ? counters.apply : counters.group;
}

// The state that another process has left behind, as it is without that process.
v1::JobState StateWithoutRun(v1::JobState stored) {
  return stored == v1::JOB_STATE_RUNNING ? v1::JOB_STATE_QUEUED : stored;
}

}  // namespace

bool IsFinal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

absl::StatusOr<v1::Job> ParseJob(const JobRecord& record) {
  v1::Job job;
  bool ok = job.ParseFromString(record.record);
  // A record of the first version holds the spec itself.
  if (ok && !record.spec.empty()) ok = job.mutable_spec()->ParseFromString(record.spec);
  if (!ok || FindJobKind(job.spec()) == nullptr) {
    return MakeError(absl::StatusCode::kDataLoss, "JOB_DAMAGED",
                     absl::StrCat("the record of jobs/", record.id, " cannot be read"));
  }
  job.set_last_sequence(record.last_sequence);
  job.set_oldest_sequence(record.oldest_sequence);
  job.set_state(StateWithoutRun(job.state()));
  return job;
}

Job::Job(std::string id, v1::JobSpec spec, RequestKey request, const JobEnvironment& environment,
         const Clock& clock)
    : id_(std::move(id)),
      spec_(std::move(spec)),
      request_(std::move(request)),
      kind_(FindJobKind(spec_)),
      environment_(environment),
      clock_(clock),
      plan_names_(PlanNamesOf(id_, spec_, environment.host)),
      log_(std::make_shared<EventLog>(environment.catalog, id_, EventLog::Extent{})),
      facts_{.create_time_ns = clock.UnixNanos()} {}

Job::Job(const v1::Job& stored, const JobRecord& record, const JobEnvironment& environment,
         const Clock& clock)
    : id_(record.id),
      spec_(stored.spec()),
      request_{.id = record.request_id, .hash = record.request_hash},
      kind_(FindJobKind(spec_)),
      environment_(environment),
      clock_(clock),
      plan_names_(PlanNamesOf(id_, spec_, environment.host)),
      log_(std::make_shared<EventLog>(environment.catalog, id_,
                                      EventLog::Extent{.oldest = record.oldest_sequence,
                                                       .last = record.last_sequence,
                                                       .closed = record.ended()})),
      facts_{.state = stored.state(),
             .create_time_ns = FromTimestamp(stored.create_time()),
             .start_time_ns = FromTimestamp(stored.start_time()),
             .end_time_ns = record.end_time_ns,
             .error = stored.error(),
             .results = stored.counters(),
             .checkpoint = {}} {
  (void)absl::SimpleAtoi(stored.etag(), &facts_.version);
  const std::size_t space = record.checkpoint.find(' ');
  if (space != std::string::npos) {
    (void)absl::SimpleAtoi(record.checkpoint.substr(0, space), &facts_.checkpoint.sequence);
    facts_.checkpoint.state = record.checkpoint.substr(space + 1);
  }
}

v1::JobState Job::ShownState() const {
  return waiting_ && facts_.state == v1::JOB_STATE_RUNNING ? v1::JOB_STATE_WAITING : facts_.state;
}

v1::WaitReason Job::ShownWaitReason() const {
  switch (ShownState()) {
    case v1::JOB_STATE_QUEUED:
      return v1::WAIT_REASON_RUNNING_JOBS;
    case v1::JOB_STATE_WAITING:
      return log_->has_subscriptions() ? v1::WAIT_REASON_SLOW_CONSUMER
                                       : v1::WAIT_REASON_NO_CONSUMER;
    default:
      return v1::WAIT_REASON_UNSPECIFIED;
  }
}

v1::JobState Job::state() const {
  std::lock_guard lock(mutex_);
  return ShownState();
}

v1::Job Job::Snapshot() const {
  v1::Job job;
  {
    std::lock_guard lock(mutex_);
    job = MakeJob(facts_, log_->extent().last);
    *job.mutable_spec() = spec_;
    job.set_state(ShownState());
    job.set_wait_reason(ShownWaitReason());
  }
  // Looks for a file: not under the lock.
  environment_.journals.ShowUndo(job, clock_.UnixNanos());
  return job;
}

v1::Progress Job::CurrentProgress() const {
  std::lock_guard lock(mutex_);
  const std::string_view stage = kind_->stage(spec_, *counters_);
  v1::Progress progress = progress_.Measure(
      StageOf(stage, *counters_).items.load(std::memory_order_relaxed), *counters_, clock_.Now());
  progress.set_stage(std::string(stage));
  if (resuming_) progress.set_stage("resume");
  if (ShownState() == v1::JOB_STATE_WAITING) {
    progress.set_stage("waiting for consumer");
    progress.clear_remaining();
  }
  if (facts_.start_time_ns != 0) {
    *progress.mutable_elapsed() =
        ToDuration(std::max<std::int64_t>(0, clock_.UnixNanos() - facts_.start_time_ns));
  }
  return progress;
}

v1::JobSummary Job::Summary() const {
  std::lock_guard lock(mutex_);
  return MakeSummary(facts_);
}

Job::Checkpoint Job::checkpoint() const { return CopyFacts().checkpoint; }

Job::Facts Job::CopyFacts() const {
  std::lock_guard lock(mutex_);
  return facts_;
}

v1::Job Job::MakeJob(const Facts& facts, std::uint64_t last_sequence) const {
  v1::Job job;
  job.set_name(absl::StrCat("jobs/", id_));
  job.set_state(facts.state);
  *job.mutable_create_time() = ToTimestamp(facts.create_time_ns);
  if (facts.start_time_ns != 0) *job.mutable_start_time() = ToTimestamp(facts.start_time_ns);
  if (facts.end_time_ns != 0) *job.mutable_end_time() = ToTimestamp(facts.end_time_ns);
  *job.mutable_counters() = MakeCounters(facts);
  job.set_last_sequence(last_sequence);
  job.set_oldest_sequence(log_->extent().oldest);
  if (facts.error.code() != 0) *job.mutable_error() = facts.error;
  job.set_etag(absl::StrCat(facts.version));
  if (spec_.has_scan()) job.set_scan(absl::StrCat("scans/", id_));
  return job;
}

v1::JobCounters Job::MakeCounters(const Facts& facts) const {
  using enum InLaterRuns;
  v1::JobCounters counters = facts.results;
  counters.clear_stages();
  counters.set_bytes_read(facts.results.bytes_read() +
                          counters_->digest.bytes.load(std::memory_order_relaxed) +
                          counters_->apply.bytes.load(std::memory_order_relaxed));
  counters.set_skipped(
      std::max(facts.results.skipped(), counters_->skipped.load(std::memory_order_relaxed)));
  const Clock::Duration waiting = waiting_ ? clock_.Now() - waiting_since_ : Clock::Duration();
  AddDuration(waits_.catalog.count(), *counters.mutable_catalog_time());
  AddDuration((waits_.consumers + waiting).count(), *counters.mutable_consumer_wait_time());
  AddStage("enumerate", counters_->enumerate, kBeginsAnew, facts.results, counters);
  AddStage("digest", counters_->digest, kIsAddedTo, facts.results, counters);
  AddStage("group", counters_->group, kIsAddedTo, facts.results, counters);
  AddStage("plan", counters_->plan, kIsAddedTo, facts.results, counters);
  AddStage("apply", counters_->apply, kIsAddedTo, facts.results, counters);
  return counters;
}

v1::JobSummary Job::MakeSummary(const Facts& facts) const {
  v1::JobSummary summary;
  summary.set_state(facts.state);
  *summary.mutable_counters() = MakeCounters(facts);
  if (facts.start_time_ns != 0) {
    const std::int64_t end = facts.end_time_ns != 0 ? facts.end_time_ns : clock_.UnixNanos();
    *summary.mutable_elapsed() = ToDuration(std::max<std::int64_t>(0, end - facts.start_time_ns));
  }
  return summary;
}

JobRecord Job::MakeRecord(const Facts& facts, std::uint64_t last_sequence) const {
  v1::Job job = MakeJob(facts, last_sequence);
  job.clear_spec();
  // A process that finds it has nothing to wait for.
  if (facts.resumes) job.set_state(v1::JOB_STATE_QUEUED);
  JobRecord record{.id = id_,
                   .kind = std::string(kind_->name),
                   .request_id = request_.id,
                   .request_hash = request_.hash,
                   .spec = spec_bytes_,
                   .end_time_ns = facts.end_time_ns,
                   .last_sequence = last_sequence,
                   .record = job.SerializeAsString()};
  record.oldest_sequence = log_->extent().oldest;
  if (!facts.checkpoint.state.empty()) {
    record.checkpoint = absl::StrCat(facts.checkpoint.sequence, " ", facts.checkpoint.state);
  }
  return record;
}

}  // namespace sluice
