#ifndef SLUICE_PIPELINE_OPS_TIMEOUT_H_
#define SLUICE_PIPELINE_OPS_TIMEOUT_H_

#include <algorithm>
#include <cassert>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

// A child that pulls a source, one item for each time it is asked, and the one who asks and may go
// away meanwhile. Either may end first, so both own it.
//
// Asking runs the child on the asking thread until it has the answer or waits for something. So an
// item that is ready costs no hop, though another coroutine pulled it.
template <typename T>
class PullLink final {
 public:
  PullLink() = default;
  PullLink(const PullLink&) = delete;
  PullLink& operator=(const PullLink&) = delete;

  // REQUIRES: what was asked before has been answered, and taken.
  void Ask() {
    std::coroutine_handle<> child;
    {
      std::lock_guard lock(mutex_);
      asked_ = true;
      child = std::exchange(idle_child_, nullptr);
    }
    if (child) child.resume();
  }

  // The child, which ends as soon as it is idle. It does so here if it is idle now.
  void HangUp() {
    if (const std::coroutine_handle<> child = EndIdleChild()) child.resume();
  }

  // The same, from a stop's callback, which may run nothing.
  void HangUpOn(Executor& executor) {
    if (const std::coroutine_handle<> child = EndIdleChild()) executor.Post(child);
  }

  // Notified of the answer.
  Signal& answered() { return answered_; }
  bool has_answer() const {
    std::lock_guard lock(mutex_);
    return has_answer_;
  }
  // The item, nullopt at the end; throws what the source threw. REQUIRES: has_answer().
  std::optional<T> TakeAnswer() {
    std::optional<T> item;
    std::exception_ptr error;
    {
      std::lock_guard lock(mutex_);
      has_answer_ = false;
      item = std::exchange(item_, std::nullopt);
      error = std::exchange(error_, nullptr);
    }
    if (error) std::rethrow_exception(error);
    return item;
  }

  // For the child. Awaited, waits for the next question; false: there will be none.
  [[nodiscard]] auto Question() noexcept { return QuestionAwaiter{*this}; }
  void Answer(std::optional<T> item, std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    item_ = std::move(item);
    error_ = std::move(error);
    has_answer_ = true;
    answered_.Notify();
  }

 private:
  struct QuestionAwaiter {
    PullLink& link;
    bool await_ready() const noexcept { return false; }
    // Whoever takes the child out of the link resumes it; nothing is touched here after that.
    bool await_suspend(std::coroutine_handle<> child) const {
      std::lock_guard lock(link.mutex_);
      if (link.asked_ || link.hung_up_) return false;
      link.idle_child_ = child;
      return true;
    }
    bool await_resume() const {
      std::lock_guard lock(link.mutex_);
      return std::exchange(link.asked_, false) && !link.hung_up_;
    }
  };

  std::coroutine_handle<> EndIdleChild() {
    std::lock_guard lock(mutex_);
    hung_up_ = true;
    return std::exchange(idle_child_, nullptr);
  }

  Signal answered_;
  mutable std::mutex mutex_;
  std::coroutine_handle<> idle_child_ ABSL_GUARDED_BY(mutex_);
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool hung_up_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_answer_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<T> item_ ABSL_GUARDED_BY(mutex_);
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);
};

template <typename T>
Task<> PullWhenAsked(AsyncGenerator<T> source, std::shared_ptr<PullLink<T>> link, JobScope& scope) {
  const auto hang_up = [&link, &scope] { link->HangUpOn(scope.executor()); };
  const std::stop_callback on_stop(scope.stop_token(), hang_up);
  while (co_await link->Question()) {
    std::optional<T> item;
    std::exception_ptr error;
    try {
      item = co_await source.Next();
    } catch (...) {
      error = std::current_exception();
    }
    link->Answer(std::move(item), std::move(error));
  }
}

template <typename T>
class HangUpOnExit final {
 public:
  explicit HangUpOnExit(std::shared_ptr<PullLink<T>> link) : link_(std::move(link)) {}
  HangUpOnExit(const HangUpOnExit&) = delete;
  HangUpOnExit& operator=(const HangUpOnExit&) = delete;
  ~HangUpOnExit() { link_->HangUp(); }

 private:
  std::shared_ptr<PullLink<T>> link_;
};

template <typename T>
AsyncGenerator<T> TimeoutImpl(AsyncGenerator<T> source, JobScope& scope, Clock& clock,
                              Clock::Duration limit) {
  const auto link = std::make_shared<PullLink<T>>();
  const HangUpOnExit<T> hang_up(link);
  scope.Spawn(PullWhenAsked<T>(std::move(source), link, scope));
  while (true) {
    const WaitLimits limits{
        .stop = scope.stop_token(), .clock = &clock, .deadline = clock.Now() + limit};
    link->Ask();
    Wake wake = Wake::kNotified;
    std::uint64_t seen = link->answered().count();
    // An answer that came with the deadline or the stop still counts.
    while (!link->has_answer()) {
      if (wake == Wake::kStopped) throw Cancelled();
      if (wake == Wake::kTimedOut) {
        const std::chrono::duration<double> seconds = limit;
        throw StatusError(absl::DeadlineExceededError(
            absl::StrCat("no item came within ", seconds.count(), " s")));
      }
      wake = co_await link->answered().Wait(scope.executor(), seen, limits);
      seen = link->answered().count();
    }
    std::optional<T> item = link->TakeAnswer();
    if (!item) co_return;
    co_yield *std::move(item);
  }
}

}  // namespace internal

// Passes items on, and ends the sequence with DEADLINE_EXCEEDED when one has not come `limit` after
// it was asked for.
//
//   remote | Timeout(scope, clock, 30s) | ForEach(Store)
//
// The time that the consumer takes for itself does not count.
//
// Lazy: nothing runs before the first Next. From then on a child of `scope` pulls the source, but
// only when it is asked to. Bound: pulled - yielded <= 1.
// Order: the source's. An item that is ready is handed on without a hop, except the first.
// Errors and Cancelled of the source end the sequence.
// Cancellation: a stop of the scope wakes the consumer, which throws Cancelled.
// Dropping: drops the source at once, if the source is not busy. What it is busy with when the time
// is over, or at a stop, goes on in the child, and what comes of it is dropped: a source that may
// wait for long must listen to the scope's stop token for the scope's Join to be prompt.
// Lifetime: `clock`, and what the source refers to, outlive the scope's Join. REQUIRES: limit > 0.
inline auto Timeout(JobScope& scope, Clock& clock, Clock::Duration limit) {
  assert(limit > Clock::Duration::zero());
  // Keeps `now + limit` from overflowing.
  constexpr std::chrono::hours kLongestLimit{24 * 365};
  limit = std::min<Clock::Duration>(limit, kLongestLimit);
  return [&scope, &clock, limit]<typename T>(AsyncGenerator<T> source) {
    return internal::TimeoutImpl<T>(std::move(source), scope, clock, limit);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TIMEOUT_H_
