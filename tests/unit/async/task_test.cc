#include "pipeline/async/task.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/small_stack.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

Task<int> Count(int* started) { co_return ++*started; }

Task<int> Throw() {
  throw std::runtime_error("broken");
  co_return 0;
}

Task<> ThrowVoid() {
  throw std::runtime_error("broken");
  co_return;
}

TEST(Task, RunsNothingBeforeItIsAwaited) {
  int started = 0;
  Task<int> task = Count(&started);
  EXPECT_EQ(started, 0);
  EXPECT_EQ(SyncWait(std::move(task)), 1);
}

TEST(Task, ThrowsWhatLeftTheCoroutine) {
  EXPECT_THROW(SyncWait(Throw()), std::runtime_error);
  EXPECT_THROW(SyncWait(ThrowVoid()), std::runtime_error);
}

Task<int> Catching() {
  try {
    co_return co_await Throw();
  } catch (const std::runtime_error&) {
    co_return -1;
  }
}

TEST(Task, LetsItsAwaiterCatch) { EXPECT_EQ(SyncWait(Catching()), -1); }

Task<int> Use(std::shared_ptr<int> value) { co_return *value; }

TEST(Task, FreesItsFrameWhenDroppedUnawaited) {
  const auto probe = std::make_shared<int>(1);
  {
    Task<int> dropped = Use(probe);
  }
  EXPECT_EQ(probe.use_count(), 1);
}

TEST(Task, FreesTheOldFrameWhenAssignedTo) {
  const auto probe = std::make_shared<int>(1);
  Task<int> task = Use(probe);
  task = Use(std::make_shared<int>(2));
  EXPECT_EQ(probe.use_count(), 1);
  EXPECT_EQ(SyncWait(std::move(task)), 2);
}

Task<std::unique_ptr<int>> MakeOwner() { co_return std::make_unique<int>(7); }

TEST(Task, ReturnsMoveOnlyValues) { EXPECT_EQ(*SyncWait(MakeOwner()), 7); }

Task<> AwaitManyTimes(int times, int* started) {
  for (int i = 0; i < times; ++i) co_await Count(started);
}

TEST(Task, CompletesAMillionTimesInALoopOnASmallStack) {
  int started = 0;
  RunOnSmallStack([&started] { SyncWait(AwaitManyTimes(1'000'000, &started)); });
  EXPECT_EQ(started, 1'000'000);
}

// Frames of coroutines are on the heap, so that a chain of awaits is deep without a deep stack.
Task<int> Depth(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await Depth(depth - 1);
}

TEST(Task, AwaitsDeeplyOnASmallStack) {
  RunOnSmallStack([] { EXPECT_EQ(SyncWait(Depth(1'000)), 1'000); });
}

Task<int> ReturnOn(Executor& executor, int value) {
  co_await executor.Schedule();
  co_return value;
}

TEST(SyncWait, WaitsForAnotherThread) {
  ThreadPool pool(1);
  EXPECT_EQ(SyncWait(ReturnOn(pool, 3)), 3);
}

Task<> HoldUntilScheduled(Executor& executor, std::shared_ptr<int> held) {
  co_await executor.Schedule();
  ++*held;
}

TEST(SyncWait, ReturnsAfterTheTaskHasFreedWhatItHeld) {
  ThreadPool pool(2);
  for (int i = 0; i < 1'000; ++i) {
    const auto probe = std::make_shared<int>(0);
    SyncWait(HoldUntilScheduled(pool, probe));
    ASSERT_EQ(probe.use_count(), 1);
  }
}

}  // namespace
}  // namespace sluice
