#ifndef SLUICE_PIPELINE_ASYNC_SLEEP_H_
#define SLUICE_PIPELINE_ASYNC_SLEEP_H_

#include <stop_token>
#include <utility>

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"

namespace sluice {

// Waits until `clock` has come to `when`, without holding a thread, and goes on on `executor`; at
// once if it has. Lifetime: both outlive the wait. Cancellation: `stop` ends the wait with
// Cancelled.
inline Task<> SleepUntil(Executor& executor, Clock& clock, Clock::TimePoint when,
                         std::stop_token stop = {}) {
  ThrowIfStopRequested(stop);
  if (when <= clock.Now()) co_return;
  Signal nobody;
  const Wake wake = co_await nobody.Wait(
      executor, nobody.count(), {.stop = std::move(stop), .clock = &clock, .deadline = when});
  if (wake == Wake::kStopped) throw Cancelled();
}

// The same, for `duration` from now; for good when that lies beyond the end of the clock's time.
inline Task<> Sleep(Executor& executor, Clock& clock, Clock::Duration duration,
                    std::stop_token stop = {}) {
  const Clock::TimePoint now = clock.Now();
  const Clock::TimePoint when =
      duration < Clock::TimePoint::max() - now ? now + duration : Clock::TimePoint::max();
  return SleepUntil(executor, clock, when, std::move(stop));
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_SLEEP_H_
