#include "pipeline/ops/timeout.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""us;

class TimeoutTest : public testing::Test {
 protected:
  ~TimeoutTest() override {
    scope_.RequestStop();
    Started join(scope_.Join());
    executor_.RunAll();
    EXPECT_NO_THROW(join.Get());
  }

  AsyncGenerator<int> Limited(AsyncGenerator<int> source) {
    return std::move(source) | Timeout(scope_, clock_, 10ms);
  }
  AsyncGenerator<int> LimitedFed() { return Limited(fed_.Items(scope_.stop_token(), log_)); }

  std::optional<int> Next(AsyncGenerator<int>& items) {
    Started next(NextOf(items));
    executor_.RunAll();
    return next.Get();
  }

  ManualExecutor executor_;
  ManualClock clock_;
  JobScope scope_{executor_};
  SourceLog log_;
  FedSource fed_{executor_};
};

absl::StatusCode CodeOf(Started<std::optional<int>>& next) {
  try {
    next.Get();
    return absl::StatusCode::kOk;
  } catch (const StatusError& error) {
    return error.status().code();
  }
}

TEST_F(TimeoutTest, RunsNothingBeforeTheFirstNext) {
  auto items = Limited(CountTo(5, log_));
  executor_.RunAll();
  EXPECT_EQ(log_.produced, 0);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(TimeoutTest, PassesOnAllItemsAndTheEnd) {
  auto items = Limited(CountTo(3, log_));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Next(items), i);
  EXPECT_EQ(Next(items), std::nullopt);
  EXPECT_EQ(Next(items), std::nullopt);
}

TEST_F(TimeoutTest, AnItemThatComesInTimeIsHandedOver) {
  auto items = LimitedFed();
  for (int i = 0; i < 5; ++i) {
    Started next(NextOf(items));
    executor_.RunAll();
    clock_.Advance(10ms - 1ns);
    EXPECT_FALSE(next.done());
    fed_.Feed();
    executor_.RunAll();
    EXPECT_EQ(next.Get(), i);
  }
}

TEST_F(TimeoutTest, AnItemThatDoesNotComeInTimeEndsTheSequenceWithDeadlineExceeded) {
  auto items = LimitedFed();
  fed_.Feed();
  EXPECT_EQ(Next(items), 0);
  Started next(NextOf(items));
  clock_.Advance(10ms);
  executor_.RunAll();
  EXPECT_EQ(CodeOf(next), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Next(items), std::nullopt);
}

TEST_F(TimeoutTest, AnItemThatComesBeforeTheConsumerHasSeenTheDeadlineCounts) {
  ManualExecutor elsewhere;
  FedSource fed(elsewhere);
  auto items = Limited(fed.Items({}, log_));
  Started next(NextOf(items));
  executor_.RunAll();
  clock_.Advance(10ms);
  fed.Feed();
  elsewhere.RunAll();
  EXPECT_FALSE(next.done());
  executor_.RunAll();
  EXPECT_EQ(next.Get(), 0);
}

TEST_F(TimeoutTest, WhatTheConsumerTakesForItselfDoesNotCount) {
  auto items = LimitedFed();
  for (int i = 0; i < 3; ++i) {
    fed_.Feed();
    EXPECT_EQ(Next(items), i);
    clock_.Advance(1h);
  }
}

TEST_F(TimeoutTest, PullsOnlyWhenAsked) {
  auto items = Limited(HopBeforeEach(executor_, 50, log_));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(Next(items), i);
    EXPECT_EQ(log_.produced, i + 1);
  }
}

TEST_F(TimeoutTest, AnItemThatIsReadyCostsNoHop) {
  auto items = Limited(CountTo(50, log_));
  EXPECT_EQ(Next(items), 0);
  for (int i = 1; i < 50; ++i) EXPECT_EQ(Pull(items), i);
  EXPECT_FALSE(executor_.HasBacklog());
}

Task<std::uint64_t> AllocationsOfReading(AsyncGenerator<int> items) {
  (void)co_await items.Next();
  const std::uint64_t before = AllocationCount();
  while (co_await items.Next()) continue;
  co_return AllocationCount() - before;
}

TEST_F(TimeoutTest, AnItemThatIsReadyCostsNoAllocation) {
  Started allocations(AllocationsOfReading(Limited(CountTo(1000, log_))));
  executor_.RunAll();
  EXPECT_EQ(allocations.Get(), 0U);
}

TEST_F(TimeoutTest, AnErrorOfTheSourceComesAfterItsItems) {
  auto items = Limited(CountToThenThrow(1, log_));
  EXPECT_EQ(Next(items), 0);
  EXPECT_THROW(Next(items), std::runtime_error);
  EXPECT_EQ(Next(items), std::nullopt);
}

TEST_F(TimeoutTest, DroppingItDropsAnIdleSourceAtOnce) {
  {
    auto items = Limited(CountTo(5, log_));
    EXPECT_EQ(Next(items), 0);
  }
  EXPECT_TRUE(log_.dropped);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(TimeoutTest, ASourceThatIsBusyAtTheDeadlineIsDroppedWhenItHasDone) {
  {
    auto items = Limited(fed_.Items({}, log_));
    Started next(NextOf(items));
    executor_.RunAll();
    clock_.Advance(10ms);
    executor_.RunAll();
    EXPECT_EQ(CodeOf(next), absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_FALSE(log_.dropped);
  EXPECT_EQ(scope_.live(), 1U);
  fed_.Feed();
  executor_.RunAll();
  EXPECT_TRUE(log_.dropped);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(TimeoutTest, AStopWakesTheConsumerThoughTheSourceDoesNotListen) {
  auto items = Limited(fed_.Items({}, log_));
  Started next(NextOf(items));
  executor_.RunAll();
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
  fed_.Feed();
}

TEST_F(TimeoutTest, AStopEndsTheIdleChildThoughTheGeneratorIsKept) {
  auto items = LimitedFed();
  fed_.Feed();
  EXPECT_EQ(Next(items), 0);
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_EQ(scope_.live(), 0U);
  EXPECT_THROW(Next(items), Cancelled);
}

TEST_F(TimeoutTest, AcceptsALimitWithoutEnd) {
  auto items = CountTo(1, log_) | Timeout(scope_, clock_, Clock::Duration::max());
  EXPECT_EQ(Next(items), 0);
}

AsyncGenerator<int> HopUntilStopped(Executor& executor, std::stop_token stop) {
  for (int i = 0;; ++i) {
    if (i % 3 != 0) co_await executor.Schedule(stop);
    ThrowIfStopRequested(stop);
    co_yield i;
  }
}

Task<> ExpectInOrder(AsyncGenerator<int> items, int end) {
  for (int i = 0; i < end; ++i) EXPECT_EQ(co_await items.Next(), i);
}

TEST(TimeoutOnThreads, NothingIsLostWhoeverRunsTheSource) {
  ThreadPool pool(3);
  SystemClock clock;
  for (int round = 0; round < 20; ++round) {
    JobScope scope(pool);
    auto items = HopUntilStopped(pool, scope.stop_token()) | Timeout(scope, clock, 1h);
    scope.Spawn(ExpectInOrder(std::move(items), 50 * round));
    SyncWait(scope.Join());
  }
}

// Stops the scope after some turns of the executor: whatever the others are doing then.
Task<> StopAfter(JobScope& scope, int turns) {
  for (int i = 0; i < turns; ++i) co_await scope.executor().Schedule();
  scope.RequestStop();
}

TEST(TimeoutOnThreads, AStopAtAnyMomentEndsBothSides) {
  ThreadPool pool(3);
  SystemClock clock;
  for (int round = 0; round < 200; ++round) {
    JobScope scope(pool);
    auto items = HopUntilStopped(pool, scope.stop_token()) | Timeout(scope, clock, 1h);
    scope.Spawn(ExpectInOrder(std::move(items), 1'000'000'000));
    scope.Spawn(StopAfter(scope, round));
    SyncWait(scope.Join());
  }
}

Task<> ReadUntilLate(AsyncGenerator<int> items, JobScope& scope) {
  try {
    while (co_await items.Next()) continue;
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), absl::StatusCode::kDeadlineExceeded);
  }
  scope.RequestStop();  // For the source, which still sleeps.
}

AsyncGenerator<int> SleepLonger(Executor& executor, Clock& clock, std::stop_token stop) {
  for (int i = 1;; ++i) {
    co_await Sleep(executor, clock, i * 1us, stop);
    co_yield i;
  }
}

TEST(TimeoutOnThreads, ADeadlineThatMeetsTheItemDoesNoHarm) {
  ThreadPool pool(3);
  ManualClock clock;
  for (int round = 0; round < 50; ++round) {
    JobScope scope(pool);
    auto items = SleepLonger(pool, clock, scope.stop_token()) | Timeout(scope, clock, 10us);
    scope.Spawn(ReadUntilLate(std::move(items), scope));
    while (scope.live() > 0) clock.Advance(1us);
    SyncWait(scope.Join());
  }
}

}  // namespace
}  // namespace sluice
