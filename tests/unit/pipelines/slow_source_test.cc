// A source that waits: a thermometer that has a reading every second. Waiting holds no thread.

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

AsyncGenerator<int> Readings(Executor& executor, Clock& clock, std::stop_token stop) {
  for (int degrees = 20;; ++degrees) {
    co_await Sleep(executor, clock, 1s, stop);
    co_yield degrees;
  }
}

class SlowSource : public testing::Test {
 protected:
  void Advance(Clock::Duration by) {
    executor_.RunAll();
    clock_.Advance(by);
    executor_.RunAll();
  }

  ManualExecutor executor_;
  ManualClock clock_;
  std::stop_source stop_;
};

TEST_F(SlowSource, YieldsAReadingWhenItsTimeHasComeAndNotBefore) {
  auto readings = Readings(executor_, clock_, stop_.get_token());
  Started next(NextOf(readings));
  Advance(999ms);
  EXPECT_FALSE(next.done());
  Advance(1ms);
  EXPECT_EQ(next.Get(), 20);
}

TEST_F(SlowSource, DoesNotWaitWhileNobodyAsks) {
  auto readings = Readings(executor_, clock_, stop_.get_token());
  Advance(60s);
  Started next(NextOf(readings));
  Advance(999ms);
  EXPECT_FALSE(next.done()) << "the second is counted from the question";
  Advance(1ms);
  EXPECT_EQ(next.Get(), 20);
}

TEST_F(SlowSource, AThousandOfThemWaitOnOneThread) {
  std::vector<AsyncGenerator<int>> sources;
  std::vector<Started<std::optional<int>>> asked;
  sources.reserve(1'000);
  for (std::size_t i = 0; i < 1'000; ++i) {
    sources.push_back(Readings(executor_, clock_, stop_.get_token()));
    asked.emplace_back(NextOf(sources.back()));
  }
  Advance(1s);
  for (auto& next : asked) EXPECT_EQ(next.Get(), 20);
}

TEST_F(SlowSource, AStopEndsTheWaitWithCancelled) {
  auto readings = Readings(executor_, clock_, stop_.get_token());
  Started next(NextOf(readings));
  stop_.request_stop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

}  // namespace
}  // namespace sluice
