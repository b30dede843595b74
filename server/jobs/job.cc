#include "server/jobs/job.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"

namespace sluice {
namespace {

// Rates are taken over this time, from a sample each interval.
constexpr std::chrono::seconds kRateWindow(5);
constexpr std::chrono::milliseconds kRateInterval(200);

PlanNames PlanNamesOf(const std::string& id, const v1::JobSpec& spec, const std::string& host) {
  PlanNames names{.job_id = id, .scans = {}, .host = host};
  names.scans.assign(spec.reconcile().scans().begin(), spec.reconcile().scans().end());
  return names;
}

void AddStage(std::string_view name, const StageCounter& counter, v1::JobCounters& counters) {
  const std::uint64_t items = counter.items.load(std::memory_order_relaxed);
  if (items == 0) return;
  v1::JobCounters::Stage& stage = *counters.add_stages();
  stage.set_name(std::string(name));
  stage.set_items(items);
  stage.set_bytes(counter.bytes.load(std::memory_order_relaxed));
}

}  // namespace

bool IsFinal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
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
      log_(std::make_shared<EventLog>(environment.catalog, id_, 0, /*closed=*/false)),
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
      log_(
          std::make_shared<EventLog>(environment.catalog, id_, record.last_sequence, record.ended)),
      facts_{.state = stored.state(),
             .create_time_ns = FromTimestamp(stored.create_time()),
             .start_time_ns = FromTimestamp(stored.start_time()),
             .end_time_ns = FromTimestamp(stored.end_time()),
             .error = stored.error()},
      results_(stored.counters()) {
  (void)absl::SimpleAtoi(stored.etag(), &facts_.version);
}

v1::JobState Job::state() const {
  std::lock_guard lock(mutex_);
  return facts_.state;
}

v1::Job Job::Snapshot() const {
  std::lock_guard lock(mutex_);
  return MakeJob(facts_);
}

v1::Progress Job::CurrentProgress() const {
  std::lock_guard lock(mutex_);
  return MakeProgress(facts_);
}

v1::JobSummary Job::Summary() const {
  std::lock_guard lock(mutex_);
  return MakeSummary(facts_);
}

JobRecord Job::ToRecord() const {
  std::lock_guard lock(mutex_);
  return MakeRecord(facts_, log_->last_sequence());
}

v1::Job Job::MakeJob(const Facts& facts) const {
  v1::Job job;
  job.set_name(absl::StrCat("jobs/", id_));
  *job.mutable_spec() = spec_;
  job.set_state(facts.state);
  *job.mutable_create_time() = ToTimestamp(facts.create_time_ns);
  if (facts.start_time_ns != 0) *job.mutable_start_time() = ToTimestamp(facts.start_time_ns);
  if (facts.end_time_ns != 0) *job.mutable_end_time() = ToTimestamp(facts.end_time_ns);
  *job.mutable_counters() = MakeCounters();
  job.set_last_sequence(log_->last_sequence());
  if (!IsFinal(facts.state)) *job.mutable_progress() = MakeProgress(facts);
  if (facts.state == v1::JOB_STATE_FAILED) *job.mutable_error() = facts.error;
  job.set_etag(absl::StrCat(facts.version));
  if (spec_.has_scan()) job.set_scan(absl::StrCat("scans/", id_));
  return job;
}

v1::JobCounters Job::MakeCounters() const {
  v1::JobCounters counters = results_;
  if (counters.stages_size() != 0) return counters;  // Of a job made from its record.
  counters.set_bytes_read(counters_.digest.bytes.load(std::memory_order_relaxed));
  counters.set_skipped(counters_.skipped.load(std::memory_order_relaxed));
  AddStage("enumerate", counters_.enumerate, counters);
  AddStage("digest", counters_.digest, counters);
  AddStage("group", counters_.group, counters);
  AddStage("plan", counters_.plan, counters);
  return counters;
}

v1::JobSummary Job::MakeSummary(const Facts& facts) const {
  v1::JobSummary summary;
  summary.set_state(facts.state);
  *summary.mutable_counters() = MakeCounters();
  if (facts.start_time_ns != 0) {
    const std::int64_t end = facts.end_time_ns != 0 ? facts.end_time_ns : clock_.UnixNanos();
    *summary.mutable_elapsed() = ToDuration(std::max<std::int64_t>(0, end - facts.start_time_ns));
  }
  return summary;
}

std::uint64_t Job::ItemsDone() const {
  const StageCounter& stage = spec_.has_scan() ? counters_.enumerate : counters_.group;
  return stage.items.load(std::memory_order_relaxed);
}

v1::Progress Job::MakeProgress(const Facts& facts) const {
  v1::Progress progress;
  progress.set_stage(facts.state == v1::JOB_STATE_WAITING ? "waiting for consumer"
                                                          : std::string(kind_->stage(spec_)));
  progress.set_items_done(ItemsDone());
  progress.set_bytes_done(counters_.digest.bytes.load(std::memory_order_relaxed) +
                          counters_.reading.load(std::memory_order_relaxed));
  if (facts.start_time_ns != 0) {
    *progress.mutable_elapsed() =
        ToDuration(std::max<std::int64_t>(0, clock_.UnixNanos() - facts.start_time_ns));
  }
  AddRates(progress);
  return progress;
}

void Job::AddRates(v1::Progress& progress) const {
  const Clock::TimePoint now = clock_.Now();
  while (rate_samples_.size() > 1 && now - rate_samples_.front().time > kRateWindow) {
    rate_samples_.pop_front();
  }
  if (!rate_samples_.empty()) {
    const RateSample& oldest = rate_samples_.front();
    const double seconds = std::chrono::duration<double>(now - oldest.time).count();
    if (seconds > 0) {
      progress.set_items_per_second(static_cast<double>(progress.items_done() - oldest.items) /
                                    seconds);
      progress.set_bytes_per_second(static_cast<double>(progress.bytes_done() - oldest.bytes) /
                                    seconds);
    }
  }
  if (rate_samples_.empty() || now - rate_samples_.back().time >= kRateInterval) {
    rate_samples_.push_back(
        {.time = now, .items = progress.items_done(), .bytes = progress.bytes_done()});
  }
}

JobRecord Job::MakeRecord(const Facts& facts, std::uint64_t last_sequence) const {
  v1::Job job = MakeJob(facts);
  job.clear_progress();
  job.set_last_sequence(last_sequence);
  return {.id = id_,
          .kind = std::string(kind_->name),
          .ended = IsFinal(facts.state),
          .request_id = request_.id,
          .request_hash = request_.hash,
          .last_sequence = last_sequence,
          .record = job.SerializeAsString()};
}

void Job::RequestCancel() {
  {
    std::lock_guard lock(mutex_);
    if (IsFinal(facts_.state) || facts_.state == v1::JOB_STATE_CANCELLING) return;
    facts_.state = v1::JOB_STATE_CANCELLING;
  }
  stop_source_.request_stop();
}

void Job::Interrupt() {
  {
    std::lock_guard lock(mutex_);
    if (IsFinal(facts_.state)) return;
    interrupted_ = facts_.state != v1::JOB_STATE_CANCELLING;
  }
  stop_source_.request_stop();
}

void Job::MarkRunning() {
  std::lock_guard lock(mutex_);
  facts_.start_time_ns = clock_.UnixNanos();
  if (facts_.state == v1::JOB_STATE_QUEUED) facts_.state = v1::JOB_STATE_RUNNING;
}

void Job::OnWaiting(bool waiting) {
  {
    std::lock_guard lock(mutex_);
    if (waiting && facts_.state == v1::JOB_STATE_RUNNING) facts_.state = v1::JOB_STATE_WAITING;
    if (!waiting && facts_.state == v1::JOB_STATE_WAITING) facts_.state = v1::JOB_STATE_RUNNING;
  }
  // A stream that waits for more events to send together learns that none will come.
  if (waiting) log_->changed().Notify();
}

void Job::Count(const JobItem& item) {
  if (const auto* file = std::get_if<FileEntry>(&item)) {
    results_.set_items(results_.items() + 1);
    if (file->stat.type == FileType::kRegular) {
      results_.set_total_bytes(results_.total_bytes() + file->stat.size);
    }
  } else if (const auto* plan = std::get_if<Plan>(&item)) {
    results_.set_items(results_.items() + 1);
    results_.set_groups(results_.groups() + (plan->last_part ? 1 : 0));
    results_.set_recoverable_bytes(results_.recoverable_bytes() + plan->recoverable_bytes);
  } else if (std::holds_alternative<ItemError>(item)) {
    results_.set_errors(results_.errors() + 1);
  }
}

absl::Status Job::Append(std::vector<JobItem> items) {
  const std::int64_t now = clock_.UnixNanos();
  EventLog::Chunk events;
  events.reserve(items.size());
  JobRecord record;
  std::uint64_t errors = 0;
  {
    std::lock_guard lock(mutex_);
    std::uint64_t sequence = log_->last_sequence();
    for (JobItem& item : items) {
      Count(item);
      events.push_back(ToEventRecord(std::move(item), plan_names_, ++sequence, now));
    }
    errors = results_.errors();
    Facts next = facts_;
    ++next.version;
    record = MakeRecord(next, sequence);
  }
  const absl::Status stored = environment_.catalog.AppendEvents(record, events);
  if (!stored.ok()) return CatalogError(stored);
  {
    std::lock_guard lock(mutex_);
    ++facts_.version;
    log_->Publish(std::move(events));
  }
  if (spec_.has_max_item_errors() && errors > spec_.max_item_errors()) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_ITEM_ERRORS",
        absl::StrCat(errors, " items have failed; max_item_errors is ", spec_.max_item_errors()));
  }
  return absl::OkStatus();
}

Job::Facts Job::EndedWith(const absl::Status& outcome) const {
  Facts facts = facts_;
  if (outcome.ok()) {
    facts.state = v1::JOB_STATE_SUCCEEDED;
  } else if (absl::IsCancelled(outcome) && !interrupted_) {
    facts.state = v1::JOB_STATE_CANCELLED;
  } else {
    facts.state = v1::JOB_STATE_FAILED;
    facts.error = ToWireStatus(interrupted_ ? MakeError(absl::StatusCode::kAborted,
                                                        "SERVER_STOPPED", "the server was stopped")
                                            : outcome);
  }
  facts.end_time_ns = clock_.UnixNanos();
  ++facts.version;
  return facts;
}

absl::Status Job::Finish(const absl::Status& outcome) {
  Facts ended;
  EventLog::Chunk last;
  JobRecord record;
  {
    std::lock_guard lock(mutex_);
    ended = EndedWith(outcome);
    v1::StateChange change;
    change.set_state(ended.state);
    *change.mutable_summary() = MakeSummary(ended);
    last.push_back(ToEventRecord(change, log_->last_sequence() + 1, ended.end_time_ns));
    record = MakeRecord(ended, last.back().sequence);
  }
  const absl::Status stored = environment_.catalog.AppendEvents(record, last);
  {
    // At once: nobody sees the state without its event, or the event without the state.
    std::lock_guard lock(mutex_);
    facts_ = ended;
    if (stored.ok()) log_->Publish(std::move(last));
  }
  log_->Close();
  return stored;
}

}  // namespace sluice
