#include "pipeline/async/executor.h"

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

Task<> Append(Executor& executor, std::vector<int>& order, int value) {
  co_await executor.Schedule();
  order.push_back(value);
}

TEST(ManualExecutor, ResumesInTheOrderOfPostsOnTheCallersThread) {
  ManualExecutor executor;
  std::vector<int> order;
  const Started<void> first(Append(executor, order, 1));
  const Started<void> second(Append(executor, order, 2));
  EXPECT_TRUE(order.empty());
  EXPECT_TRUE(executor.RunOne());
  EXPECT_EQ(order, std::vector({1}));
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_EQ(order, std::vector({1, 2}));
  EXPECT_FALSE(executor.RunOne());
}

Task<> YieldOnce(Executor& executor) { co_await executor.YieldIfBusy(); }

TEST(ManualExecutor, YieldIfBusySuspendsOnlyWhenSomebodyWaits) {
  ManualExecutor executor;
  const Started<void> alone(YieldOnce(executor));
  EXPECT_TRUE(alone.done());

  std::vector<int> order;
  const Started<void> waiting(Append(executor, order, 1));
  const Started<void> polite(YieldOnce(executor));
  EXPECT_FALSE(polite.done());
  EXPECT_EQ(executor.RunAll(), 2U);
  EXPECT_TRUE(polite.done());
}

Task<std::thread::id> ThreadOf(Executor& executor) {
  co_await executor.Schedule();
  co_return std::this_thread::get_id();
}

TEST(ThreadPool, ResumesOnItsOwnThreads) {
  ThreadPool pool(1);
  const std::thread::id first = SyncWait(ThreadOf(pool));
  EXPECT_NE(first, std::this_thread::get_id());
  EXPECT_EQ(SyncWait(ThreadOf(pool)), first);
}

Task<> MeetOthers(std::barrier<>& meeting) {
  meeting.arrive_and_wait();
  co_return;
}

TEST(ThreadPool, RunsAsManyAtOnceAsItHasThreads) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  std::barrier meeting(kThreads);
  JobScope scope(pool);
  for (int i = 0; i < kThreads; ++i) scope.Spawn(MeetOthers(meeting));
  SyncWait(scope.Join());  // Ends only if all of them ran beside each other.
}

Task<> Increment(std::atomic<int>& count) {
  ++count;
  co_return;
}

TEST(ThreadPool, MayBeDestroyedAsSoonAsWhatItRanHasEnded) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> count = 0;
    {
      ThreadPool pool(2);
      JobScope scope(pool);
      for (int i = 0; i < 10; ++i) scope.Spawn(Increment(count));
      SyncWait(scope.Join());
    }
    ASSERT_EQ(count, 10);
  }
}

}  // namespace
}  // namespace sluice
