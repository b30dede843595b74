#include "pipeline/async/executor.h"

#include <atomic>
#include <barrier>
#include <chrono>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
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

Task<> AppendUnlessStopped(Executor& executor, std::vector<int>& order, int value,
                           std::stop_token stop) {
  co_await executor.Schedule(std::move(stop));
  order.push_back(value);
}

TEST(Schedule, StopTakesTheCoroutineOutOfItsTurnAndCancelsIt) {
  ManualExecutor executor;
  std::stop_source stop;
  std::vector<int> order;
  const Started<void> first(Append(executor, order, 1));
  Started<void> stopped(AppendUnlessStopped(executor, order, 2, stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(stopped.done()) << "whoever stops it does not run it";
  EXPECT_TRUE(executor.RunOne());
  EXPECT_THROW(stopped.Get(), Cancelled);
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_EQ(order, std::vector({1}));
}

TEST(Schedule, ThrowsAtOnceWhenAlreadyStopped) {
  ManualExecutor executor;
  std::stop_source stop;
  stop.request_stop();
  std::vector<int> order;
  Started<void> stopped(AppendUnlessStopped(executor, order, 1, stop.get_token()));
  EXPECT_THROW(stopped.Get(), Cancelled);
}

TEST(Schedule, RunsInItsTurnWithoutAStop) {
  ManualExecutor executor;
  const std::stop_source stop;
  std::vector<int> order;
  const Started<void> first(Append(executor, order, 1));
  Started<void> second(AppendUnlessStopped(executor, order, 2, stop.get_token()));
  executor.RunAll();
  EXPECT_NO_THROW(second.Get());
  EXPECT_EQ(order, std::vector({1, 2}));
}

Task<> ScheduleManyTimes(Executor& executor, std::stop_token stop) {
  while (true) co_await executor.Schedule(stop);
}

TEST(Schedule, StopMeetsAHopAtAnyMomentOnThreads) {
  ThreadPool pool(2);
  for (int run = 0; run < 200; ++run) {
    JobScope scope(pool);
    for (int i = 0; i < 4; ++i) scope.Spawn(ScheduleManyTimes(pool, scope.stop_token()));
    std::this_thread::yield();
    scope.RequestStop();
    EXPECT_NO_THROW(SyncWait(scope.Join()));
  }
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

// How many coroutines are in there at once.
class Crowd final {
 public:
  void Enter() {
    const int now = ++count_;
    for (int most = most_; most < now && !most_.compare_exchange_weak(most, now);) continue;
  }
  void Leave() { --count_; }
  int most() const { return most_; }

 private:
  std::atomic<int> count_ = 0;
  std::atomic<int> most_ = 0;
};

Task<> EnterManyTimes(Executor& executor, Crowd& crowd) {
  for (int i = 0; i < 500; ++i) {
    crowd.Enter();
    std::this_thread::yield();
    crowd.Leave();
    co_await executor.Schedule();
  }
}

TEST(ThreadPool, RunsNoMoreAtOnceThanItIsTold) {
  ThreadPool pool({.threads = 4, .at_once = 2, .patience = std::chrono::hours(1)});
  Crowd crowd;
  JobScope scope(pool);
  for (int i = 0; i < 8; ++i) scope.Spawn(EnterManyTimes(pool, crowd));
  SyncWait(scope.Join());
  EXPECT_LE(crowd.most(), 2);
}

TEST(ThreadPool, RunsOthersForThoseThatWait) {
  constexpr int kThreads = 4;
  ThreadPool pool({.threads = kThreads, .at_once = 1, .patience = std::chrono::milliseconds(1)});
  std::barrier meeting(kThreads);
  std::atomic<int> count = 0;
  JobScope scope(pool);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kThreads; ++i) scope.Spawn(MeetOthers(meeting));
    for (int i = 0; i < 10; ++i) scope.Spawn(Increment(count));
  }
  SyncWait(scope.Join());  // Ends only if those that wait for each other ran beside each other.
  EXPECT_EQ(count, 30);
}

TEST(ThreadPool, MayBeDestroyedAsSoonAsWhatItRanHasEnded) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> count = 0;
    {
      ThreadPool pool({.threads = 3, .at_once = 2});
      JobScope scope(pool);
      for (int i = 0; i < 10; ++i) scope.Spawn(Increment(count));
      SyncWait(scope.Join());
    }
    ASSERT_EQ(count, 10);
  }
}

}  // namespace
}  // namespace sluice
