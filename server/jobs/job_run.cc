// What the runner tells a job: how a run of it begins, what it finds, and how it ends.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"
#include "server/jobs/job.h"

namespace sluice {
namespace {

// What an item adds to a job's results.
struct Tally {
  explicit Tally(const JobItem& item) {
    if (const auto* file = std::get_if<FileEntry>(&item)) {
      items = 1;
      if (file->stat.type == FileType::kRegular) total_bytes = file->stat.size;
    } else if (const auto* plan = std::get_if<Plan>(&item)) {
      items = 1;
      groups = plan->last_part ? 1 : 0;
      recoverable_bytes = plan->recoverable_bytes;
      copies = static_cast<std::uint64_t>(std::ranges::count_if(
          plan->copies, [&](const PlanCopy& copy) { return !IsKept(copy, *plan); }));
      copy_bytes = copies * plan->size;
    } else if (const auto* outcome = std::get_if<ApplyOutcome>(&item)) {
      items = 1;
      AddResult(outcome->result);
      recovered_bytes = outcome->recovered_bytes;
      pending_bytes = outcome->pending_bytes;
    } else if (std::holds_alternative<ItemError>(item)) {
      errors = 1;
    }
  }

  void AddResult(ApplyOutcome::Result result) {
    switch (result) {
      case ApplyOutcome::Result::kApplied:
      case ApplyOutcome::Result::kWouldApply:
        changes = 1;
        break;
      case ApplyOutcome::Result::kSkipped:
        skipped = 1;
        break;
      case ApplyOutcome::Result::kFailed:
        errors = 1;
        break;
    }
  }

  void AddTo(v1::JobCounters& results) const {
    results.set_items(results.items() + items);
    results.set_total_bytes(results.total_bytes() + total_bytes);
    results.set_groups(results.groups() + groups);
    results.set_recoverable_bytes(results.recoverable_bytes() + recoverable_bytes);
    results.set_copies(results.copies() + copies);
    results.set_copy_bytes(results.copy_bytes() + copy_bytes);
    results.set_errors(results.errors() + errors);
    results.set_skipped(results.skipped() + skipped);
    results.set_changes(results.changes() + changes);
    results.set_recovered_bytes(results.recovered_bytes() + recovered_bytes);
    results.set_pending_bytes(results.pending_bytes() + pending_bytes);
  }

  std::uint64_t items = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t groups = 0;
  std::uint64_t recoverable_bytes = 0;
  std::uint64_t copies = 0;
  std::uint64_t copy_bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t skipped = 0;
  std::uint64_t changes = 0;
  std::uint64_t recovered_bytes = 0;
  std::uint64_t pending_bytes = 0;
};

// Whether a job that failed so may go on later: the disk of the server's own data was full, or did
// not answer, under the catalog or under the temporary files.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace

bool Job::BeginRun() {
  std::lock_guard changing(store_);
  if (draining_) return false;
  std::lock_guard lock(mutex_);
  if (facts_.state != v1::JOB_STATE_QUEUED) return false;
  facts_.state = v1::JOB_STATE_RUNNING;
  if (facts_.start_time_ns == 0) facts_.start_time_ns = clock_.UnixNanos();
  run_stop_ = std::stop_source();
  progress_.Reset();
  resuming_ = true;
  return true;
}

void Job::SetRecorded(std::unique_ptr<RecordedItems> recorded) {
  recorded_ = std::move(recorded);
  resuming_ = false;
}

void Job::OnWaiting(bool waiting) {
  {
    std::lock_guard lock(mutex_);
    const Clock::TimePoint now = clock_.Now();
    if (waiting) {
      waiting_since_ = now;
    } else if (waiting_) {
      waits_.consumers += now - waiting_since_;
    }
    waiting_ = waiting;
  }
  // A stream that waits for more events to send together learns that none will come.
  if (waiting) log_->changed().Notify();
}

std::optional<EventRecord> Job::ToNewEvent(JobItem item, Facts& facts, std::uint64_t sequence,
                                           std::int64_t time_ns) const {
  const Tally tally(item);  // Before the item is moved from.
  EventRecord event = ToEventRecord(std::move(item), plan_names_, sequence, time_ns);
  const auto* payload = std::get_if<EventPayload>(&event.event);
  if (payload != nullptr && recorded_ != nullptr &&
      recorded_->ContainsPayload(payload->kind, payload->payload)) {
    return std::nullopt;
  }
  tally.AddTo(facts.results);
  return event;
}

absl::Status Job::Append(std::vector<JobItem> items) {
  std::lock_guard changing(store_);
  const std::int64_t now = clock_.UnixNanos();
  Facts next = CopyFacts();
  std::uint64_t sequence = log_->extent().last;
  EventLog::Chunk events;
  events.reserve(items.size());
  KnownContents contents;
  for (JobItem& item : items) {
    if (auto* checkpoint = std::get_if<JobCheckpoint>(&item)) {
      next.checkpoint = {.sequence = sequence, .state = std::move(checkpoint->state)};
    } else if (const auto* known = std::get_if<KnownContents>(&item)) {
      contents.insert(contents.end(), known->begin(), known->end());
    } else if (auto event = ToNewEvent(std::move(item), next, sequence + 1, now)) {
      events.push_back(*std::move(event));
      ++sequence;
    }
  }
  const std::uint64_t errors = next.results.errors();
  if (events.empty() && contents.empty()) {
    // A checkpoint alone is not worth a transaction: it is stored with the next event.
    std::lock_guard lock(mutex_);
    facts_.checkpoint = std::move(next.checkpoint);
    return absl::OkStatus();
  }
  const Clock::TimePoint begin = clock_.Now();
  if (absl::Status stored = Store(std::move(next), std::move(events), contents); !stored.ok()) {
    store_error_ = stored;
    return stored;
  }
  {
    std::lock_guard lock(mutex_);
    waits_.catalog += clock_.Now() - begin;
  }
  if (spec_.has_max_item_errors() && errors > spec_.max_item_errors()) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_ITEM_ERRORS",
        absl::StrCat(errors, " items have failed; max_item_errors is ", spec_.max_item_errors()));
  }
  return absl::OkStatus();
}

Job::Facts Job::AfterRun(const absl::Status& outcome) const {
  Facts next = CopyFacts();
  const v1::JobState intent = next.state;
  const bool gave_up =
      spec_.has_max_item_errors() && next.results.errors() > spec_.max_item_errors();
  const absl::Status broken = !store_error_.ok()             ? store_error_
                              : MayPass(outcome) && !gave_up ? outcome
                                                             : absl::OkStatus();
  // A run that could not go on would have, and so would have heard of what is intended.
  const bool interrupted = absl::IsCancelled(outcome) || !broken.ok();
  if (outcome.ok()) {
    next.state = v1::JOB_STATE_SUCCEEDED;
  } else if (interrupted && intent == v1::JOB_STATE_CANCELLING) {
    next.state = v1::JOB_STATE_CANCELLED;
  } else if (!broken.ok()) {
    next.state = v1::JOB_STATE_PAUSED;
    next.error = ToWireStatus(broken);
  } else if (absl::IsCancelled(outcome) && intent == v1::JOB_STATE_PAUSING) {
    next.state = v1::JOB_STATE_PAUSED;
  } else if (absl::IsCancelled(outcome) && draining_) {
    next.state = v1::JOB_STATE_QUEUED;
  } else {
    next.state = v1::JOB_STATE_FAILED;
    next.error = ToWireStatus(outcome);
  }
  return next;
}

absl::Status Job::EndRun(const absl::Status& outcome) {
  std::lock_guard changing(store_);
  recorded_.reset();
  Facts next = AfterRun(outcome);
  {
    // The figures of this run become those that a later one goes on from.
    std::lock_guard lock(mutex_);
    next.results = MakeCounters(next);
    counters_ = std::make_unique<PipelineCounters>();
    waits_ = {};
    facts_.results = next.results;
    waiting_ = false;
  }
  store_error_ = absl::OkStatus();
  const bool resume = std::exchange(next.resumes, false);
  absl::Status stored;
  if (IsFinal(next.state)) {
    stored = Finish(next);
  } else if (next.state == v1::JOB_STATE_QUEUED) {
    stored = Store(next, {});
  } else {
    stored = StoreState(next);
  }
  if (stored.ok() && resume && next.state == v1::JOB_STATE_PAUSED) {
    next = CopyFacts();
    next.state = v1::JOB_STATE_QUEUED;
    next.error.Clear();
    stored = StoreState(next);
  }
  if (!stored.ok()) {
    // What is stored is older, and good enough to go on from: here or in another process.
    next.state = v1::JOB_STATE_PAUSED;
    next.error = ToWireStatus(stored);
    Show(std::move(next));
  }
  return stored;
}

}  // namespace sluice
