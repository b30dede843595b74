#include "server/jobs/event_stream.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "server/jobs/convert.h"
#include "server/jobs/wire.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kMaxBatchDelay(10);
constexpr milliseconds kMinHeartbeat(100);
constexpr seconds kMaxHeartbeat(15);

// True when two progress reports differ in more than the passing of time.
bool SameProgress(const v1::Progress& a, const v1::Progress& b) {
  return a.stage() == b.stage() && a.items_done() == b.items_done() &&
         a.bytes_done() == b.bytes_done();
}

// A message of the stream.
struct Message {
  std::string events;   // Serialized, field after field.
  v1::EventBatch rest;  // All but the events, which stand before it on the wire.

  std::string Bytes() && {
    rest.AppendToString(&events);
    return std::move(events);
  }
};

// One stream's place in the log, and what it sent last.
class StreamState final {
 public:
  StreamState(std::shared_ptr<Job> job, std::uint64_t first_sequence, EventStreamOptions options,
              EventStreamDeps deps)
      : job_(std::move(job)),
        next_(first_sequence),
        options_(options),
        deps_(std::move(deps)),
        subscription_(job_->shared_log(), first_sequence),
        last_message_(deps_.clock.Now()) {}

  Message First() {
    Message message;
    ShowJob(message.rest);
    message.rest.set_next_sequence(next_);
    return message;
  }

  // The next message: events, a heartbeat, or the end.
  Task<Message> Next() {
    subscription_.MoveTo(next_);
    const Clock::TimePoint fill_until = last_message_ + options_.max_batch_delay;
    const Clock::TimePoint heartbeat_at = last_message_ + options_.idle_heartbeat;
    Clock::TimePoint progress_at = last_message_ + options_.heartbeat;
    while (true) {
      const std::uint64_t seen = job_->log().changed().count();
      if (deps_.draining.stop_requested()) co_return Ended(v1::StreamEnd::REASON_DRAINING);
      const auto [oldest, last, closed] = job_->log().extent();
      if (next_ < oldest) co_return Ended(v1::StreamEnd::REASON_EVENTS_EXPIRED);
      const std::uint64_t ready = last >= next_ ? last - next_ + 1 : 0;
      const Clock::TimePoint now = deps_.clock.Now();
      if (ready > 0 && (ready >= events_that_fill_ || now >= fill_until || closed ||
                        job_->state() == v1::JOB_STATE_WAITING)) {
        co_return Events();
      }
      if (ready == 0 && closed) {
        if (next_ > last + 1) throw StatusError(ExpiredError(next_, job_->log().extent()));
        co_return Ended(v1::StreamEnd::REASON_JOB_ENDED);
      }
      if (ready == 0 && StateChanged()) co_return Heartbeat();
      if (ready == 0 && now >= progress_at) {
        if (now >= heartbeat_at || ProgressChanged()) co_return Heartbeat();
        progress_at = now + options_.heartbeat;
      }
      const Clock::TimePoint wake_at = ready > 0 ? fill_until : std::min(progress_at, heartbeat_at);
      co_await WaitForChange(seen, wake_at);
    }
  }

 private:
  Task<> WaitForChange(std::uint64_t seen, Clock::TimePoint deadline) {
    const WaitLimits limits{.stop = deps_.stop, .clock = &deps_.clock, .deadline = deadline};
    if (co_await job_->log().changed().Wait(deps_.executor, seen, limits) == Wake::kStopped) {
      throw Cancelled();
    }
  }

  // Whether the job is in another state than the client knows. That a paced job waits, or goes on,
  // is the client's own doing.
  bool StateChanged() const {
    const v1::JobState state = job_->state();
    return state != shown_state_ &&
           !(state == v1::JOB_STATE_WAITING && shown_state_ == v1::JOB_STATE_RUNNING) &&
           !(state == v1::JOB_STATE_RUNNING && shown_state_ == v1::JOB_STATE_WAITING);
  }

  void ShowJob(v1::EventBatch& batch) {
    *batch.mutable_job() = job_->Snapshot();
    shown_state_ = batch.job().state();
  }

  bool ProgressChanged() const { return !SameProgress(job_->CurrentProgress(), last_progress_); }

  // A message with what every message holds.
  Message Heartbeat() {
    Message message;
    v1::EventBatch& batch = message.rest;
    batch.set_next_sequence(next_);
    if (StateChanged()) ShowJob(batch);
    const Clock::TimePoint now = deps_.clock.Now();
    if (now - last_progress_time_ >= options_.heartbeat && !job_->log().extent().closed) {
      v1::Progress progress = job_->CurrentProgress();
      last_progress_time_ = now;
      if (!SameProgress(progress, last_progress_)) *batch.mutable_progress() = progress;
      last_progress_ = std::move(progress);
    }
    last_message_ = now;
    return message;
  }

  Message Events() {
    Message message = Heartbeat();
    std::string& bytes = message.events;
    bytes.reserve(last_size_);
    events_that_fill_ = options_.max_batch_events;
    for (std::size_t count = 0; count < options_.max_batch_events;) {
      const EventLog::Slice slice = ValueOrThrow(job_->log().Read(next_));
      if (slice.events.empty()) break;
      const auto wanted =
          slice.events.first(std::min(slice.events.size(), options_.max_batch_events - count));
      const std::size_t added = AddEvents(wanted, bytes);
      count += added;
      if (added < wanted.size()) {
        events_that_fill_ = count;
        break;
      }
    }
    last_size_ = bytes.size();
    message.rest.set_next_sequence(next_);
    return message;
  }

  // Adds events until the message is large enough; how many that were.
  std::size_t AddEvents(std::span<const EventRecord> events, std::string& bytes) {
    constexpr std::size_t kEnough = EventStreamOptions::kBatchBytes;
    std::size_t added = 0;
    for (const EventRecord& record : events) {
      // A large event begins a message of its own, so that none grows far beyond the bound.
      if (bytes.size() >= kEnough) break;
      if (!bytes.empty() && bytes.size() + ApproximateSize(record) > 2 * kEnough) break;
      ThrowIfError(AppendEvent(v1::EventBatch::kEventsFieldNumber, record, bytes));
      ++added;
      ++next_;
    }
    return added;
  }

  Message Ended(v1::StreamEnd::Reason reason) {
    Message message = Heartbeat();
    v1::StreamEnd& end = *message.rest.mutable_end();
    end.set_reason(reason);
    end.set_state(job_->state());
    if (reason == v1::StreamEnd::REASON_JOB_ENDED) *end.mutable_summary() = job_->Summary();
    return message;
  }

  const std::shared_ptr<Job> job_;
  std::uint64_t next_;
  const EventStreamOptions options_;
  const EventStreamDeps deps_;
  EventLog::Subscription subscription_;
  Clock::TimePoint last_message_;
  Clock::TimePoint last_progress_time_;
  v1::Progress last_progress_;
  v1::JobState shown_state_ = v1::JOB_STATE_UNSPECIFIED;
  // Of the events of the last message: the next will be about as large ...
  std::size_t last_size_ = 0;
  // ... and full with as many events, where those before were so large that it was cut.
  std::size_t events_that_fill_ = options_.max_batch_events;
};

// Wakes a stream when the server drains: its wait knows only one stop token, the call's.
struct WakeOnDrain {
  std::shared_ptr<Job> job;
  void operator()() const { job->log().changed().Notify(); }
};

}  // namespace

EventStreamOptions StreamOptionsFromProto(const v1::StreamOptions& proto,
                                          FieldViolations& violations) {
  EventStreamOptions options;
  if (proto.max_batch_events() > EventStreamOptions::kMaxBatchEvents) {
    violations.Add("options.max_batch_events",
                   absl::StrCat("must be at most ", EventStreamOptions::kMaxBatchEvents));
  } else if (proto.max_batch_events() != 0) {
    options.max_batch_events = proto.max_batch_events();
  }
  if (proto.has_max_batch_delay()) {
    options.max_batch_delay = Clock::Duration(FromDuration(proto.max_batch_delay()));
    if (options.max_batch_delay < Clock::Duration(0) || options.max_batch_delay > kMaxBatchDelay) {
      violations.Add("options.max_batch_delay", "must be 0 to 10 seconds");
    }
  }
  if (proto.has_heartbeat_interval()) {
    options.heartbeat = Clock::Duration(FromDuration(proto.heartbeat_interval()));
    options.idle_heartbeat = options.heartbeat;
    if (options.heartbeat < kMinHeartbeat || options.heartbeat > kMaxHeartbeat) {
      violations.Add("options.heartbeat_interval", "must be 100 ms to 15 s");
    }
  }
  return options;
}

AsyncGenerator<std::string> EventStream(std::shared_ptr<Job> job, std::uint64_t first_sequence,
                                        EventStreamOptions options, EventStreamDeps deps) {
  const std::stop_callback wake_on_drain(deps.draining, WakeOnDrain{job});
  StreamState stream(job, first_sequence, options, std::move(deps));
  co_yield stream.First().Bytes();
  while (true) {
    Message message = co_await stream.Next();
    const std::uint64_t next = message.rest.next_sequence();
    const v1::StreamEnd::Reason reason = message.rest.end().reason();
    co_yield std::move(message).Bytes();
    switch (reason) {
      case v1::StreamEnd::REASON_UNSPECIFIED:
        continue;
      case v1::StreamEnd::REASON_DRAINING:
        throw StatusError(DrainingError());
      case v1::StreamEnd::REASON_EVENTS_EXPIRED:
        throw StatusError(ExpiredError(next, job->log().extent()));
      default:
        co_return;
    }
  }
}

Task<> WaitForEnd(std::shared_ptr<Job> job, Clock::TimePoint deadline, EventStreamDeps deps) {
  const std::stop_callback wake_on_drain(deps.draining, WakeOnDrain{job});
  Signal& changed = job->log().changed();
  while (true) {
    const std::uint64_t seen = changed.count();
    if (IsFinal(job->state()) || deps.draining.stop_requested()) co_return;
    const WaitLimits limits{.stop = deps.stop, .clock = &deps.clock, .deadline = deadline};
    const Wake wake = co_await changed.Wait(deps.executor, seen, limits);
    if (wake == Wake::kStopped) throw Cancelled();
    if (wake == Wake::kTimedOut) co_return;
  }
}

}  // namespace sluice
