#include "pipeline/ops/from_callbacks.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/take.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

// An API that calls back whenever the test wants it to.
template <typename T>
class FakeApi final {
 public:
  AsyncGenerator<T> Items(JobScope& scope, std::size_t capacity) {
    return FromCallbacks<T>(scope, capacity,
                            [this](Emitter<T> emitter) { emitter_ = std::move(emitter); });
  }
  EmitResult Call(T item) { return emitter_->TryEmit(item); }
  bool started() const { return emitter_.has_value(); }
  const Emitter<T>& emitter() const { return *emitter_; }
  void Forget() { emitter_.reset(); }

 private:
  std::optional<Emitter<T>> emitter_;
};

class FromCallbacksTest : public testing::Test {
 protected:
  ManualExecutor executor_;
  JobScope scope_{executor_};
  FakeApi<int> api_;
};

TEST_F(FromCallbacksTest, StartsNothingBeforeTheFirstNext) {
  auto items = api_.Items(scope_, 2);
  executor_.RunAll();
  EXPECT_FALSE(api_.started());
}

TEST_F(FromCallbacksTest, HandsOverWhatIsEmittedInOrderAndTheEnd) {
  auto items = api_.Items(scope_, 2);
  Started first(NextOf(items));
  EXPECT_FALSE(first.done());
  EXPECT_EQ(api_.Call(1), EmitResult::kTaken);
  executor_.RunAll();
  EXPECT_EQ(first.Get(), 1);
  EXPECT_EQ(api_.Call(2), EmitResult::kTaken);
  EXPECT_EQ(api_.Call(3), EmitResult::kTaken);
  api_.emitter().Close();
  EXPECT_EQ(Pull(items), 2);
  EXPECT_EQ(Pull(items), 3);
  EXPECT_EQ(Pull(items), std::nullopt);
}

// Pulls once, so that the API is started, and gives it something for that pull.
template <typename T>
std::optional<T> StartWith(T item, FakeApi<T>& api, AsyncGenerator<T>& items,
                           ManualExecutor& executor) {
  Started first(NextOf(items));
  EXPECT_EQ(api.Call(std::move(item)), EmitResult::kTaken);
  executor.RunAll();
  return first.Get();
}

TEST_F(FromCallbacksTest, TakesNoMoreThanCapacityAheadOfTheConsumer) {
  auto items = api_.Items(scope_, 2);
  EXPECT_EQ(StartWith(0, api_, items, executor_), 0);
  EXPECT_EQ(api_.Call(1), EmitResult::kTaken);
  EXPECT_EQ(api_.Call(2), EmitResult::kTaken);
  EXPECT_EQ(api_.Call(3), EmitResult::kFull);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(api_.Call(4), EmitResult::kTaken);
  EXPECT_EQ(api_.Call(5), EmitResult::kFull);
  EXPECT_EQ(Pull(items), 2);
  EXPECT_EQ(Pull(items), 4);
}

TEST_F(FromCallbacksTest, AnItemThatIsNotTakenIsNotMovedFrom) {
  FakeApi<std::unique_ptr<int>> api;
  auto items = api.Items(scope_, 1);
  EXPECT_TRUE(StartWith(std::make_unique<int>(0), api, items, executor_));
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_EQ(api.emitter().TryEmit(first), EmitResult::kTaken);
  EXPECT_EQ(api.emitter().TryEmit(second), EmitResult::kFull);
  EXPECT_EQ(first, nullptr);
  EXPECT_NE(second, nullptr);
}

TEST_F(FromCallbacksTest, ADroppedGeneratorMakesEmittersTellSo) {
  {
    auto items = api_.Items(scope_, 2);
    EXPECT_EQ(StartWith(0, api_, items, executor_), 0);
  }
  EXPECT_EQ(api_.Call(1), EmitResult::kGone);
  EXPECT_EQ(api_.emitter().Emit(1), EmitResult::kGone);
  api_.emitter().Close(absl::InternalError("too late"));
}

TEST_F(FromCallbacksTest, DroppingFreesWhatWasTaken) {
  const auto item = std::make_shared<int>(7);
  FakeApi<std::shared_ptr<int>> api;
  {
    auto items = api.Items(scope_, 4);
    EXPECT_EQ(StartWith(item, api, items, executor_), item);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(api.Call(item), EmitResult::kTaken);
  }
  EXPECT_EQ(item.use_count(), 1);
}

TEST_F(FromCallbacksTest, AnErrorComesAfterTheItemsBeforeIt) {
  auto items = api_.Items(scope_, 2);
  EXPECT_EQ(StartWith(0, api_, items, executor_), 0);
  EXPECT_EQ(api_.Call(1), EmitResult::kTaken);
  api_.emitter().Close(absl::DataLossError("the API broke"));
  EXPECT_EQ(api_.Call(2), EmitResult::kGone);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_THROW(Pull(items), StatusError);
}

TEST_F(FromCallbacksTest, TheFirstCloseCounts) {
  auto items = api_.Items(scope_, 2);
  Started next(NextOf(items));
  api_.emitter().Close();
  api_.emitter().Close(absl::InternalError("second"));
  executor_.RunAll();
  EXPECT_EQ(next.Get(), std::nullopt);
}

TEST_F(FromCallbacksTest, ClosedAsCancelledTheConsumerThrowsCancelled) {
  auto items = api_.Items(scope_, 2);
  Started next(NextOf(items));
  api_.emitter().Close(absl::CancelledError());
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(FromCallbacksTest, WithoutAnyEmitterLeftTheSequenceEndsInAnError) {
  auto items = api_.Items(scope_, 2);
  Started next(NextOf(items));
  auto copy = std::make_optional(api_.emitter());
  api_.Forget();
  executor_.RunAll();
  EXPECT_FALSE(next.done()) << "the copy is left";
  copy.reset();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), StatusError);
}

TEST_F(FromCallbacksTest, WhatStartThrowsEndsTheSequence) {
  auto items = FromCallbacks<int>(
      scope_, 1, [](const Emitter<int>&) { throw std::runtime_error("cannot start"); });
  EXPECT_THROW(Pull(items), std::runtime_error);
}

TEST_F(FromCallbacksTest, AStopWakesTheConsumerAndTellsTheEmitters) {
  auto items = api_.Items(scope_, 1);
  Started next(NextOf(items));
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
  EXPECT_EQ(api_.Call(1), EmitResult::kGone);
}

TEST_F(FromCallbacksTest, AStopReachesEmittersThoughNobodyPulls) {
  auto items = api_.Items(scope_, 1);
  EXPECT_EQ(StartWith(0, api_, items, executor_), 0);
  EXPECT_EQ(api_.Call(1), EmitResult::kTaken);
  std::thread blocked([&] { EXPECT_EQ(api_.emitter().Emit(2), EmitResult::kGone); });
  scope_.RequestStop();
  EXPECT_EQ(api_.Call(3), EmitResult::kGone);
  executor_.RunAll();  // Wakes the one that blocks, if it did so by then.
  blocked.join();
  EXPECT_THROW(Pull(items), Cancelled);
}

Task<std::uint64_t> AllocationsOfReading(FakeApi<int>& api, AsyncGenerator<int> items) {
  (void)co_await items.Next();
  const std::uint64_t before = AllocationCount();
  for (int i = 0; i < 1000; ++i) {
    if (api.Call(i) != EmitResult::kTaken) throw std::logic_error("not taken");
    if (co_await items.Next() != i) throw std::logic_error("not the item");
  }
  co_return AllocationCount() - before;
}

TEST_F(FromCallbacksTest, AnItemCostsNoAllocation) {
  Started allocations(AllocationsOfReading(api_, api_.Items(scope_, 2)));
  EXPECT_EQ(api_.Call(0), EmitResult::kTaken);
  executor_.RunAll();
  EXPECT_EQ(allocations.Get(), 0U);
}

// Threads that call back until nobody listens, or they have no more to say.
class CallingThreads final {
 public:
  CallingThreads(int threads, int items_each) : threads_(threads), items_each_(items_each) {}
  CallingThreads(const CallingThreads&) = delete;
  CallingThreads& operator=(const CallingThreads&) = delete;
  ~CallingThreads() {
    for (std::thread& thread : running_) thread.join();
  }

  AsyncGenerator<int> Items(JobScope& scope, std::size_t capacity) {
    return FromCallbacks<int>(scope, capacity, [this](const Emitter<int>& emitter) {
      left_ = threads_;
      for (int i = 0; i < threads_; ++i) running_.emplace_back([this, emitter] { Run(emitter); });
    });
  }

 private:
  void Run(const Emitter<int>& emitter) {
    for (int i = 0; i < items_each_; ++i) {
      if (emitter.Emit(i) == EmitResult::kGone) return;
    }
    if (--left_ == 0) emitter.Close();
  }

  const int threads_;
  const int items_each_;
  std::atomic<int> left_ = 0;
  std::vector<std::thread> running_;
};

Task<> ExpectSum(AsyncGenerator<int> items, std::int64_t expected) {
  std::int64_t sum = 0;
  while (auto item = co_await items.Next()) sum += *item;
  EXPECT_EQ(sum, expected);
}

TEST(FromCallbacksOnThreads, LosesAndDoublesNothingThoughEmittersBlock) {
  ThreadPool pool(2);
  JobScope scope(pool);
  CallingThreads api(3, 2000);
  scope.Spawn(ExpectSum(api.Items(scope, 4), 3 * 1999 * 1000));
  SyncWait(scope.Join());
}

Task<> ReadAndDrop(AsyncGenerator<int> items, int count) {
  for (int i = 0; i < count; ++i) EXPECT_TRUE(co_await items.Next());
}

TEST(FromCallbacksOnThreads, DroppingAtAnyMomentLetsEveryCallerGo) {
  ThreadPool pool(2);
  for (int round = 0; round < 50; ++round) {
    JobScope scope(pool);
    CallingThreads api(3, 1'000'000'000);
    scope.Spawn(ReadAndDrop(api.Items(scope, 4), 1 + round));
    SyncWait(scope.Join());
  }
}

// Stops the scope after some turns of the executor: whatever the others are doing then.
Task<> StopAfter(JobScope& scope, int turns) {
  for (int i = 0; i < turns; ++i) co_await scope.executor().Schedule();
  scope.RequestStop();
}

TEST(FromCallbacksOnThreads, AStopAtAnyMomentLetsEveryCallerGo) {
  ThreadPool pool(2);
  for (int round = 0; round < 50; ++round) {
    JobScope scope(pool);
    CallingThreads api(3, 1'000'000'000);
    scope.Spawn(ReadAndDrop(api.Items(scope, 4), 1'000'000'000));
    scope.Spawn(StopAfter(scope, round));
    SyncWait(scope.Join());
  }
}

}  // namespace
}  // namespace sluice
