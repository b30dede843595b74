#include "pipeline/async/job_scope.h"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <stop_token>

#include "gtest/gtest.h"

#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

Task<> WaitForNotify(Signal& signal, Executor& executor, bool& woken) {
  co_await signal.Wait(executor, signal.count());
  woken = true;
}

Task<> WaitForStop(Executor& executor, std::stop_token stop) {
  Signal never;
  co_await never.Wait(executor, never.count(), {.stop = stop});
  throw Cancelled();
}

Task<> Fail(const char* what) {
  throw std::runtime_error(what);
  co_return;
}

TEST(JobScope, JoinWaitsForEveryChild) {
  ManualExecutor executor;
  JobScope scope(executor);
  Signal signal;
  bool woken = false;
  scope.Spawn(WaitForNotify(signal, executor, woken));
  Started join(scope.Join());
  executor.RunAll();
  EXPECT_FALSE(join.done());
  EXPECT_EQ(scope.live(), 1U);
  signal.Notify();
  executor.RunAll();
  EXPECT_TRUE(woken);
  EXPECT_TRUE(join.done());
  EXPECT_EQ(scope.live(), 0U);
}

TEST(JobScope, JoinOfNoChildrenEndsAtOnce) {
  ManualExecutor executor;
  JobScope scope(executor);
  EXPECT_TRUE(Started(scope.Join()).done());
}

TEST(JobScope, SpawnRunsNothingInsideTheCall) {
  ManualExecutor executor;
  JobScope scope(executor);
  scope.Spawn(Fail("later"));
  EXPECT_FALSE(scope.stop_token().stop_requested());
  executor.RunAll();
  EXPECT_TRUE(scope.stop_token().stop_requested());
  EXPECT_THROW(Started(scope.Join()).Get(), std::runtime_error);
}

TEST(JobScope, TheFirstFailureStopsTheOthersAndIsThrownOnce) {
  ManualExecutor executor;
  JobScope scope(executor);
  scope.Spawn(WaitForStop(executor, scope.stop_token()));
  scope.Spawn(Fail("first"));
  scope.Spawn(Fail("second"));
  Started join(scope.Join());
  executor.RunAll();
  ASSERT_TRUE(join.done());
  try {
    join.Get();
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
  EXPECT_NO_THROW(Started(scope.Join()).Get());
}

Task<> FailWhenStopped(Executor& executor, std::stop_token stop) {
  Signal never;
  co_await never.Wait(executor, never.count(), {.stop = stop});
  throw std::logic_error("a consequence");
}

TEST(JobScope, AFailureThatFollowsFromTheStopIsNotTheFirst) {
  ThreadPool pool(4);
  for (int round = 0; round < 200; ++round) {
    JobScope scope(pool);
    for (int i = 0; i < 3; ++i) scope.Spawn(FailWhenStopped(pool, scope.stop_token()));
    scope.Spawn(Fail("the cause"));
    ASSERT_THROW(SyncWait(scope.Join()), std::runtime_error);
  }
}

TEST(JobScope, CancelledAfterAStopIsNoFailure) {
  ManualExecutor executor;
  JobScope scope(executor);
  scope.Spawn(WaitForStop(executor, scope.stop_token()));
  Started join(scope.Join());
  executor.RunAll();
  EXPECT_FALSE(join.done());
  scope.RequestStop();
  executor.RunAll();
  EXPECT_NO_THROW(join.Get());
}

Task<> ThrowCancelled() {
  throw Cancelled();
  co_return;
}

TEST(JobScope, CancelledThatNobodyAskedForIsAFailure) {
  ManualExecutor executor;
  JobScope scope(executor);
  scope.Spawn(ThrowCancelled());
  Started join(scope.Join());
  executor.RunAll();
  EXPECT_THROW(join.Get(), Cancelled);
}

TEST(JobScope, AStopOfTheParentStopsTheScopeAndNotTheOtherWayRound) {
  ManualExecutor executor;
  std::stop_source parent;
  JobScope first(executor, parent.get_token());
  JobScope second(executor, parent.get_token());
  first.RequestStop();
  EXPECT_FALSE(parent.stop_requested());
  EXPECT_FALSE(second.stop_token().stop_requested());
  parent.request_stop();
  EXPECT_TRUE(second.stop_token().stop_requested());
}

TEST(JobScope, IsStoppedFromTheStartWhenTheParentIs) {
  ManualExecutor executor;
  std::stop_source parent;
  parent.request_stop();
  const JobScope scope(executor, parent.get_token());
  EXPECT_TRUE(scope.stop_token().stop_requested());
}

Task<> Hold(std::shared_ptr<int> /*held*/) { co_return; }

TEST(JobScope, AChildHasFreedWhatItHeldWhenJoinReturns) {
  ThreadPool pool(2);
  for (int round = 0; round < 500; ++round) {
    const auto probe = std::make_shared<int>(0);
    JobScope scope(pool);
    scope.Spawn(Hold(probe));
    SyncWait(scope.Join());
    ASSERT_EQ(probe.use_count(), 1);
  }
}

Task<> SpawnTree(JobScope& scope, std::atomic<int>& leaves, int depth) {
  if (depth == 0) {
    ++leaves;
    co_return;
  }
  for (int i = 0; i < 2; ++i) scope.Spawn(SpawnTree(scope, leaves, depth - 1));
}

TEST(JobScope, JoinWaitsForChildrenOfChildren) {
  ThreadPool pool(4);
  std::atomic<int> leaves = 0;
  JobScope scope(pool);
  scope.Spawn(SpawnTree(scope, leaves, 10));
  SyncWait(scope.Join());
  EXPECT_EQ(leaves, 1'024);
}

}  // namespace
}  // namespace sluice
