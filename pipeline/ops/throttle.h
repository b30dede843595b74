#ifndef SLUICE_PIPELINE_OPS_THROTTLE_H_
#define SLUICE_PIPELINE_OPS_THROTTLE_H_

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <functional>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

struct ThrottleOptions {
  double per_second;
  // What may pass at once after a pause.
  double burst;
};

namespace internal {

// Fills with time up to the burst; what passes is taken out.
class TokenBucket final {
 public:
  TokenBucket(ThrottleOptions options, Clock::TimePoint now)
      : options_(options), tokens_(options.burst), filled_at_(now) {}

  // Zero: `cost` has been taken out. Otherwise how long to wait before trying again.
  Clock::Duration TryTake(double cost, Clock::TimePoint now) {
    Fill(now);
    // What does not fit into the bucket passes when it is full, and leaves a debt.
    const double missing = std::min(cost, options_.burst) - tokens_;
    if (missing <= 0) {
      tokens_ -= cost;
      return Clock::Duration::zero();
    }
    const double nanos = std::ceil(missing / options_.per_second * kNanosPerSecond);
    return nanos < kLongestWait.count() ? Clock::Duration(static_cast<Clock::Duration::rep>(nanos))
                                        : kLongestWait;
  }

 private:
  static constexpr double kNanosPerSecond = 1e9;
  // Keeps `now + wait` from overflowing.
  static constexpr Clock::Duration kLongestWait = std::chrono::hours(24);

  void Fill(Clock::TimePoint now) {
    const double seconds = static_cast<double>((now - filled_at_).count()) / kNanosPerSecond;
    tokens_ = std::min(options_.burst, tokens_ + options_.per_second * seconds);
    filled_at_ = now;
  }

  const ThrottleOptions options_;
  double tokens_;
  Clock::TimePoint filled_at_;
};

template <typename T, typename Cost>
AsyncGenerator<T> ThrottleImpl(AsyncGenerator<T> source, JobScope& scope, Clock& clock,
                               ThrottleOptions options, Cost cost_of) {
  TokenBucket bucket(options, clock.Now());
  while (auto item = co_await source.Next()) {
    const auto cost = static_cast<double>(std::invoke(cost_of, std::as_const(*item)));
    assert(cost >= 0 && "an item whose cost is negative or not a number");
    while (true) {
      const Clock::Duration wait = bucket.TryTake(cost, clock.Now());
      if (wait == Clock::Duration::zero()) break;
      co_await Sleep(scope.executor(), clock, wait, scope.stop_token());
    }
    co_yield *std::move(item);
  }
}

}  // namespace internal

// Lets items pass no faster than `per_second`, in units of `cost(const T&)`: bytes, say.
//
//   chunks | Throttle(scope, clock, {.per_second = 50e6, .burst = 1e6}, SizeOf)
//
// A token bucket of `burst` units, full at the beginning: whatever the window of time, no more than
// burst + per_second * window passes in it. An item dearer than the burst passes when the bucket is
// full, and those after it wait until it is paid for; so the window has one item more then.
//
// Lazy. Bound: pulled - yielded <= 1; the item that waits for its time is the one. One that need
// not wait is handed on without a hop; one that did goes on on the scope's executor.
// Order: the source's. Errors and Cancelled of the source, and what `cost` throws, end the
// sequence. Cancellation: a stop of the scope ends the wait with Cancelled.
// Lifetime: `scope` and `clock` outlive the generator.
// REQUIRES: per_second > 0, burst > 0; cost >= 0.
template <typename Cost>
auto Throttle(JobScope& scope, Clock& clock, ThrottleOptions options, Cost cost) {
  assert(options.per_second > 0 && options.burst > 0);
  return [&scope, &clock, options, cost = std::move(cost)]<typename T>(AsyncGenerator<T> source) {
    return internal::ThrottleImpl<T, Cost>(std::move(source), scope, clock, options, cost);
  };
}

// The same for items that cost 1 each.
inline auto Throttle(JobScope& scope, Clock& clock, ThrottleOptions options) {
  return Throttle(scope, clock, options, [](const auto& /*item*/) { return 1; });
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_THROTTLE_H_
