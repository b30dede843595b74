#include "pipeline/async/sleep.h"

#include <chrono>
#include <stop_token>

#include "gtest/gtest.h"

#include "tests/unit/async/started.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

TEST(Sleep, EndsWhenItsTimeHasComeAndNotBefore) {
  ManualExecutor executor;
  ManualClock clock;
  Started<void> slept(Sleep(executor, clock, 10ms));
  clock.Advance(9ms);
  EXPECT_EQ(executor.RunAll(), 0U);
  clock.Advance(1ms);
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_NO_THROW(slept.Get());
}

TEST(Sleep, DoesNotSuspendWhenTheTimeHasCome) {
  ManualExecutor executor;
  ManualClock clock;
  EXPECT_TRUE(Started<void>(SleepUntil(executor, clock, clock.Now())).done());
  EXPECT_TRUE(Started<void>(Sleep(executor, clock, -1ms)).done());
}

TEST(Sleep, LongerThanTheClocksTimeIsForGood) {
  ManualExecutor executor;
  ManualClock clock;
  clock.Advance(1ms);
  std::stop_source stop;
  Started<void> slept(Sleep(executor, clock, Clock::Duration::max(), stop.get_token()));
  clock.Advance(24h);
  EXPECT_EQ(executor.RunAll(), 0U);
  stop.request_stop();
  executor.RunAll();
  EXPECT_THROW(slept.Get(), Cancelled);
}

TEST(Sleep, IsEndedByAStop) {
  ManualExecutor executor;
  ManualClock clock;
  std::stop_source stop;
  Started<void> slept(Sleep(executor, clock, 10ms, stop.get_token()));
  stop.request_stop();
  executor.RunAll();
  EXPECT_THROW(slept.Get(), Cancelled);
}

TEST(Sleep, ThrowsAtOnceWhenAlreadyStopped) {
  ManualExecutor executor;
  ManualClock clock;
  std::stop_source stop;
  stop.request_stop();
  Started<void> slept(Sleep(executor, clock, 0ms, stop.get_token()));
  EXPECT_THROW(slept.Get(), Cancelled);
}

}  // namespace
}  // namespace sluice
