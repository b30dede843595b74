#ifndef SLUICE_PIPELINE_ASYNC_SIGNAL_H_
#define SLUICE_PIPELINE_ASYNC_SIGNAL_H_

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"

namespace sluice {

enum class Wake : std::uint8_t { kNotified, kTimedOut, kStopped };

// When a wait ends without being notified.
struct WaitLimits {
  std::stop_token stop = {};
  // Both or neither.
  Clock* clock = nullptr;
  Clock::TimePoint deadline = {};
};

// Tells coroutines that something has changed
// ===========================================
//
// The condition variable of coroutines. A notification is never missed between looking and waiting,
// because a wait names the count that the waiter had seen before it looked:
//
//   std::uint64_t seen = changed.count();
//   while (!TheConditionHolds()) {
//     const Wake wake = co_await changed.Wait(executor, seen, {.stop = stop});
//     if (wake == Wake::kStopped) throw Cancelled();
//     seen = changed.count();
//   }
//
// The waiter goes on on `executor`; whoever notifies never runs it.
// Thread-safe. Lifetime: outlives its waiters. Cancellation: `limits.stop` wakes the waiter.
class Signal final {
 public:
  class Waiter;

  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();

  std::uint64_t count() const { return count_.load(std::memory_order_acquire); }

  // Wakes every waiter.
  void Notify();

  // Awaited, goes on when the count is no longer `seen`, or when a limit is met.
  [[nodiscard]] Waiter Wait(Executor& executor, std::uint64_t seen, WaitLimits limits = {});

 private:
  void Unlink(Waiter& waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::mutex mutex_;
  // Written under the mutex; read without it by count(), whose acquire pairs with the release here.
  std::atomic<std::uint64_t> count_ = 0;
  Waiter* first_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// A suspended coroutine that the signal, an alarm and a stop token may wake; exactly one does.
class Signal::Waiter final : private Clock::Alarm {
 public:
  Waiter(Signal& signal, Executor& executor, std::uint64_t seen, WaitLimits limits)
      : signal_(signal), executor_(executor), seen_(seen), limits_(std::move(limits)) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool await_ready() const noexcept { return signal_.count() != seen_; }
  bool await_suspend(std::coroutine_handle<> coroutine);
  Wake await_resume();

 private:
  friend class Signal;

  // kArming: a wake is noted, and await_suspend then does not suspend: until everything is armed,
  // nobody else may resume the coroutine and so destroy this object.
  enum class State : std::uint8_t { kArming, kSuspended, kWoken };

  struct OnStop {
    Waiter* waiter;
    void operator()() const { waiter->TryWake(Wake::kStopped); }
  };

  void OnAlarm() override { TryWake(Wake::kTimedOut); }
  void TryWake(Wake reason) {
    if (Claim(reason)) Post();
  }
  // Whether this call is the first: then the coroutine waits for the caller's Post.
  bool Claim(Wake reason);
  // Afterwards this object may be gone, unless the caller keeps await_resume waiting: the alarm and
  // the stop callback do by not having returned.
  void Post();

  Signal& signal_;
  Executor& executor_;
  const std::uint64_t seen_;
  WaitLimits limits_;

  std::coroutine_handle<> coroutine_;
  std::atomic<bool> claimed_ = false;
  std::atomic<State> state_ = State::kArming;
  Wake reason_ = Wake::kNotified;  // Written by the one that claims.
  bool armed_ = false;
  bool alarm_armed_ = false;
  std::optional<std::stop_callback<OnStop>> on_stop_;

  // In the signal's list, guarded by its mutex; then in that of the Notify that has claimed it.
  bool linked_ = false;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
};

inline Signal::Waiter Signal::Wait(Executor& executor, std::uint64_t seen, WaitLimits limits) {
  return Waiter(*this, executor, seen, std::move(limits));
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_SIGNAL_H_
