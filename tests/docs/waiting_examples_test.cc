// The combinators that look at a clock, or wait for it.

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/progress.h"
#include "pipeline/ops/retry.h"
#include "pipeline/ops/throttle.h"
#include "pipeline/ops/timeout.h"
#include "tests/docs/guide.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

struct TimeGuide : Guide {
  TimeGuide() { LetTimePass(); }
};

TEST_F(TimeGuide, Progress) {
  // [Progress]
  std::vector<std::uint64_t> reported;
  const auto report = [&reported](const ProgressReport& now) { reported.push_back(now.items); };
  auto items = FromValues(1, 2, 3) | Progress(clock, {.label = "scan", .interval = 1s}, report);
  EXPECT_EQ(All(std::move(items)), Numbers({1, 2, 3}));
  EXPECT_EQ(reported, std::vector<std::uint64_t>({3}));  // It took less than a second: the end.
  // [/Progress]
}

TEST_F(TimeGuide, Throttle) {
  // [Throttle]
  const Clock::TimePoint start = clock.Now();
  auto slow = FromValues(1, 2, 3) | Throttle(scope, clock, {.per_second = 10, .burst = 1});
  EXPECT_EQ(All(std::move(slow)), Numbers({1, 2, 3}));
  EXPECT_EQ(clock.Now() - start, 200ms);
  // [/Throttle]
}

// [Timeout]
AsyncGenerator<int> OneAndSilence(Executor& executor, Clock& clock, std::stop_token stop) {
  co_yield 1;
  co_await Sleep(executor, clock, std::chrono::hours(24), stop);
}
// [/Timeout]

TEST_F(TimeGuide, Timeout) {
  // [Timeout-use]
  auto source = OneAndSilence(executor, clock, scope.stop_token());
  EXPECT_THROW(All(std::move(source) | Timeout(scope, clock, 2s)), StatusError);
  // [/Timeout-use]
}

// [Retry]
AsyncGenerator<int> ReadFrom(std::uint64_t position, int& connections) {
  const bool breaks = ++connections == 1;
  for (int number = static_cast<int>(position); number < 4; ++number) {
    if (breaks && number == 2) throw StatusError(absl::UnavailableError("broken"));
    co_yield number;
  }
}
// [/Retry]

// [Retry-options]
RetryOptions ThreeAttempts() {
  return {.max_attempts = 3,
          .initial_backoff = 100ms,
          .max_backoff = 10s,
          .retryable = {absl::StatusCode::kUnavailable}};
}
// [/Retry-options]

TEST_F(TimeGuide, Retry) {
  // [Retry-use]
  int connections = 0;
  auto numbers = Retry(scope, clock, ThreeAttempts(), [&connections](std::uint64_t yielded) {
    return ReadFrom(yielded, connections);
  });
  EXPECT_EQ(All(std::move(numbers)), Numbers({0, 1, 2, 3}));
  EXPECT_EQ(connections, 2);
  // [/Retry-use]
}

// [RetryEach]
Task<int> Store(int number, int& calls) {
  if (++calls == 2) throw StatusError(absl::UnavailableError("busy"));
  co_return number;
}
// [/RetryEach]

TEST_F(TimeGuide, RetryEach) {
  // [RetryEach-use]
  int calls = 0;
  auto stored = FromValues(7, 8) | RetryEach(scope, clock, ThreeAttempts(),
                                             [&calls](int number) { return Store(number, calls); });
  EXPECT_EQ(All(std::move(stored)), Numbers({7, 8}));
  EXPECT_EQ(calls, 3);
  // [/RetryEach-use]
}

}  // namespace
}  // namespace sluice
