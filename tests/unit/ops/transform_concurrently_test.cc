#include "pipeline/ops/transform_concurrently.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/take.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

constexpr std::size_t kLimit = 3;

// Work that stays in flight until the test lets it go, item by item.
class Gates final {
 public:
  explicit Gates(Executor& executor, int count) : executor_(executor), open_(count) {}

  Task<int> Pass(int item, std::stop_token stop) {
    peak_ = std::max(peak_, ++in_flight_);
    std::uint64_t seen = changed_.count();
    while (!open_[item] && !stop.stop_requested()) {
      co_await changed_.Wait(executor_, seen, {.stop = stop});
      seen = changed_.count();
    }
    --in_flight_;
    ThrowIfStopRequested(stop);
    co_return item * 10;
  }
  void Open(int item) {
    open_[item] = true;
    changed_.Notify();
  }
  int in_flight() const { return in_flight_; }
  int peak() const { return peak_; }

 private:
  Executor& executor_;
  std::vector<bool> open_;
  Signal changed_;
  int in_flight_ = 0;
  int peak_ = 0;
};

class TransformConcurrentlyTest : public testing::Test {
 protected:
  ~TransformConcurrentlyTest() override {
    scope_.RequestStop();
    Started join(scope_.Join());
    executor_.RunAll();
    EXPECT_NO_THROW(join.Get());
    EXPECT_EQ(gates_.in_flight(), 0);
  }

  AsyncGenerator<int> ThroughGates(AsyncGenerator<int> source, Order order = Order::kSource,
                                   std::size_t ahead = 0) {
    const auto pass = [this](int item, std::stop_token stop) { return gates_.Pass(item, stop); };
    return std::move(source) | TransformConcurrently(scope_, kLimit, pass, order, ahead);
  }
  void Open(int item) {
    gates_.Open(item);
    executor_.RunAll();
  }

  ManualExecutor executor_;
  JobScope scope_{executor_};
  SourceLog log_;
  Gates gates_{executor_, 100};
};

TEST_F(TransformConcurrentlyTest, RunsNothingBeforeTheFirstNext) {
  auto results = ThroughGates(CountTo(5, log_));
  executor_.RunAll();
  EXPECT_EQ(log_.produced, 0);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(TransformConcurrentlyTest, KeepsTheOrderThoughLaterItemsEndFirst) {
  auto results = ThroughGates(CountTo(3, log_));
  Started first(NextOf(results));
  executor_.RunAll();
  gates_.Open(2);
  gates_.Open(1);
  executor_.RunAll();
  EXPECT_FALSE(first.done());
  gates_.Open(0);
  executor_.RunAll();
  EXPECT_EQ(first.Get(), 0);
  EXPECT_EQ(Started(NextOf(results)).Get(), 10);
  EXPECT_EQ(Started(NextOf(results)).Get(), 20);
  EXPECT_EQ(Started(NextOf(results)).Get(), std::nullopt);
}

TEST_F(TransformConcurrentlyTest, InOrderOfCompletionWhoIsReadyFirstComesFirst) {
  auto results = ThroughGates(CountTo(4, log_), Order::kCompletion);
  Started first(NextOf(results));
  executor_.RunAll();
  Open(2);
  EXPECT_EQ(first.Get(), 20);
  Started second(NextOf(results));
  executor_.RunAll();
  Open(3);
  EXPECT_EQ(second.Get(), 30) << "the slot of an item that left is used again";
  Open(1);
  Open(0);
  EXPECT_EQ(Started(NextOf(results)).Get(), 10);
  EXPECT_EQ(Started(NextOf(results)).Get(), 0);
  EXPECT_EQ(Started(NextOf(results)).Get(), std::nullopt);
}

TEST_F(TransformConcurrentlyTest, TheConsumerIsWokenOnlyWhenTheOldestIsReady) {
  auto results = ThroughGates(CountTo(3, log_));
  Started first(NextOf(results));
  executor_.RunAll();
  gates_.Open(1);
  EXPECT_EQ(executor_.RunAll(), 3U) << "everybody looks at their gate, nobody else is woken";
  Open(0);
  EXPECT_TRUE(first.done());
}

TEST_F(TransformConcurrentlyTest, ManyResultsPassForOneWake) {
  const auto negate = [](int item, const std::stop_token& /*stop*/) { return -item; };
  Started all(CountTo(1'000, log_) | TransformConcurrently(scope_, 100, negate) | Collect());
  EXPECT_LE(executor_.RunAll(), 1'000U / 100 * 4);
  EXPECT_EQ(all.Get().size(), 1'000U);
}

TEST_F(TransformConcurrentlyTest, SpawnsNoMoreWorkersThanAreOfUse) {
  const auto negate = [](int item, const std::stop_token& /*stop*/) { return -item; };
  auto results = CountTo(1'000, log_) | TransformConcurrently(scope_, 100, negate);
  for (int i = 0; i < 500; ++i) {
    Started next(NextOf(results));
    executor_.RunAll();
    EXPECT_EQ(next.Get(), -i);
  }
  EXPECT_LE(scope_.live(), 3U) << "work that never waits keeps no more busy than there are threads";
}

TEST_F(TransformConcurrentlyTest, AllocatesNothingForAnItem) {
  const auto negate = [](int item, const std::stop_token& /*stop*/) { return -item; };
  const auto allocations_of = [&](int items) {
    const std::uint64_t before = AllocationCount();
    Started all(CountTo(items, log_) | TransformConcurrently(scope_, 8, negate) | Count());
    executor_.RunAll();
    EXPECT_TRUE(all.done());
    return AllocationCount() - before;
  };
  const std::uint64_t few = allocations_of(100);
  EXPECT_LE(allocations_of(1'000), few + 60) << "what is left is the executor's queue";
}

TEST_F(TransformConcurrentlyTest, PullsNoMoreThanLimitAheadOfConsumerAtAnyStep) {
  auto results = ThroughGates(CountTo(20, log_));
  for (int yielded = 0; yielded < 20; ++yielded) {
    Started next(NextOf(results));
    while (executor_.RunOne()) EXPECT_LE(log_.produced - yielded, static_cast<int>(kLimit));
    gates_.Open(yielded);
    while (executor_.RunOne()) EXPECT_LE(log_.produced - yielded, static_cast<int>(kLimit));
    EXPECT_EQ(next.Get(), yielded * 10);
  }
  EXPECT_EQ(gates_.peak(), static_cast<int>(kLimit));
}

TEST_F(TransformConcurrentlyTest, PullsSoManyMoreAsItIsToldAndWorksOnLimitOfThem) {
  constexpr int kAhead = 2;
  constexpr int kBound = static_cast<int>(kLimit) + kAhead;
  auto results = ThroughGates(CountTo(20, log_), Order::kSource, kAhead);
  for (int yielded = 0; yielded < 20; ++yielded) {
    Started next(NextOf(results));
    while (executor_.RunOne()) EXPECT_LE(log_.produced - yielded, kBound);
    if (yielded == 0) EXPECT_EQ(log_.produced, kBound);
    gates_.Open(yielded);
    while (executor_.RunOne()) EXPECT_LE(log_.produced - yielded, kBound);
    EXPECT_EQ(next.Get(), yielded * 10);
  }
  EXPECT_EQ(gates_.peak(), static_cast<int>(kLimit));
}

TEST_F(TransformConcurrentlyTest, AWorkerGoesOnWhileItsResultWaitsForTheConsumer) {
  auto results = ThroughGates(CountTo(20, log_), Order::kSource, kLimit);
  Started first(NextOf(results));
  executor_.RunAll();
  for (std::size_t item = 0; item < kLimit; ++item) Open(static_cast<int>(item));
  EXPECT_EQ(first.Get(), 0);
  EXPECT_EQ(gates_.in_flight(), static_cast<int>(kLimit)) << "those that were ahead";
}

Task<int> Broken() {
  throw std::runtime_error("fn broke");
  co_return 0;
}

TEST_F(TransformConcurrentlyTest, ThrowsAnErrorInItsItemsPlaceAndStopsTheOthers) {
  const auto fail_on_one = [this](int item, std::stop_token stop) {
    return item == 1 ? Broken() : gates_.Pass(item, stop);
  };
  auto results = CountTo(9, log_) | TransformConcurrently(scope_, kLimit, fail_on_one);
  Started first(NextOf(results));
  executor_.RunAll();
  gates_.Open(0);
  executor_.RunAll();
  EXPECT_EQ(first.Get(), 0);
  Started second(NextOf(results));
  executor_.RunAll();
  EXPECT_THROW(second.Get(), std::runtime_error);
  EXPECT_EQ(gates_.in_flight(), 0);
  EXPECT_EQ(Started(NextOf(results)).Get(), std::nullopt);
}

TEST_F(TransformConcurrentlyTest, InOrderOfCompletionAnErrorDoesNotWaitForTheOthers) {
  const auto fail_on_one = [this](int item, std::stop_token stop) {
    return item == 1 ? Broken() : gates_.Pass(item, stop);
  };
  auto results =
      CountTo(9, log_) | TransformConcurrently(scope_, kLimit, fail_on_one, Order::kCompletion);
  Started first(NextOf(results));
  executor_.RunAll();
  EXPECT_THROW(first.Get(), std::runtime_error);
  EXPECT_EQ(gates_.in_flight(), 0);
}

TEST_F(TransformConcurrentlyTest, WhatAPlainFunctionThrowsEndsTheSequenceToo) {
  const auto fail_on_one = [](int item, const std::stop_token& /*stop*/) {
    return item == 1 ? throw std::runtime_error("fn broke") : item;
  };
  auto results = CountTo(9, log_) | TransformConcurrently(scope_, kLimit, fail_on_one);
  Started first(NextOf(results));
  executor_.RunAll();
  EXPECT_EQ(first.Get(), 0);
  Started second(NextOf(results));
  executor_.RunAll();
  EXPECT_THROW(second.Get(), std::runtime_error);
}

TEST_F(TransformConcurrentlyTest, ThrowsTheSourcesErrorAfterTheResultsBeforeIt) {
  gates_.Open(0);
  gates_.Open(1);
  auto items = ThroughGates(CountToThenThrow(2, log_));
  Started first(NextOf(items));
  executor_.RunAll();
  EXPECT_EQ(first.Get(), 0);
  Started second(NextOf(items));
  executor_.RunAll();
  EXPECT_EQ(second.Get(), 10);
  EXPECT_THROW(Started(NextOf(items)).Get(), std::runtime_error);
}

TEST_F(TransformConcurrentlyTest, DroppedHalfwayStopsItsChildrenAndLeavesNone) {
  {
    auto results = ThroughGates(CountTo(9, log_));
    Started first(NextOf(results));
    executor_.RunAll();
    gates_.Open(0);
    executor_.RunAll();
    EXPECT_EQ(first.Get(), 0);
    EXPECT_EQ(gates_.in_flight(), 2);
  }
  EXPECT_TRUE(log_.dropped);
  executor_.RunAll();
  EXPECT_EQ(gates_.in_flight(), 0);
  EXPECT_EQ(scope_.live(), 0U);
  EXPECT_FALSE(scope_.stop_token().stop_requested()) << "its children, not its siblings";
}

// Has a place for its value only when it was told to stop.
Task<int> GiveLessWhenStopped(Executor& executor, std::stop_token stop) {
  Signal never;
  co_await never.Wait(executor, never.count(), {.stop = stop});
  co_return -1;
}

TEST_F(TransformConcurrentlyTest, AResultThatAStopCutShortIsNotHandedOver) {
  const auto cut_short = [this](int /*item*/, std::stop_token stop) {
    return GiveLessWhenStopped(executor_, std::move(stop));
  };
  auto results = CountTo(9, log_) | TransformConcurrently(scope_, kLimit, cut_short);
  Started next(NextOf(results));
  executor_.RunAll();
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(TransformConcurrentlyTest, AWorkerSharesItsThreadAfterATurnOfLimitItems) {
  int done = 0;
  const auto count = [&done](int item, const std::stop_token& /*stop*/) {
    ++done;
    return item;
  };
  Started all(CountTo(100, log_) | TransformConcurrently(scope_, kLimit, count) | Collect());
  while (!all.done()) {
    const int before = done;
    executor_.RunOne();
    EXPECT_LE(done - before, static_cast<int>(kLimit));
  }
}

TEST_F(TransformConcurrentlyTest, AStopOfTheScopeEndsTheWaitWithCancelled) {
  auto results = ThroughGates(CountTo(9, log_));
  Started next(NextOf(results));
  executor_.RunAll();
  EXPECT_FALSE(next.done());
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

Task<int> HopAndDouble(Executor& executor, std::atomic<int>& in_flight, int item) {
  EXPECT_LE(++in_flight, 4);
  co_await executor.Schedule();
  --in_flight;
  co_return item * 2;
}

// Everything starts and ends while the workers are in full swing; what is left behind, asserts.
void DropHalfway(ThreadPool& pool, int taken, Order order) {
  JobScope scope(pool);
  SourceLog log;
  std::atomic<int> in_flight = 0;
  const auto work = [&pool, &in_flight](int item, const std::stop_token& /*stop*/) {
    return HopAndDouble(pool, in_flight, item);
  };
  auto results =
      HopBeforeEach(pool, 100, log) | TransformConcurrently(scope, 4, work, order) | Take(taken);
  EXPECT_EQ(SyncWait(std::move(results) | Count()), static_cast<std::uint64_t>(taken));
  SyncWait(scope.Join());
  EXPECT_EQ(in_flight, 0);
}

TEST(TransformConcurrentlyStress, DroppedAtAnyPointLeavesNothingBehind) {
  ThreadPool pool(4);
  for (int taken = 0; taken < 100; ++taken) {
    DropHalfway(pool, taken, taken % 2 == 0 ? Order::kSource : Order::kCompletion);
  }
}

TEST(TransformConcurrentlyStress, StoppedAtAnyPointEndsWithCancelledOrAllItems) {
  ThreadPool pool(4);
  for (int stop_at = 0; stop_at < 200; ++stop_at) {
    JobScope scope(pool);
    SourceLog log;
    const auto stop_once = [&scope, stop_at](int item, const std::stop_token& /*stop*/) {
      if (item == stop_at) scope.RequestStop();
      return item;
    };
    try {
      const auto results =
          SyncWait(CountTo(200, log) | TransformConcurrently(scope, 8, stop_once) | Collect());
      EXPECT_EQ(results.size(), 200U) << "a cut result must not look complete";
    } catch (const Cancelled&) {
      SUCCEED();
    }
    SyncWait(scope.Join());
  }
}

TEST(TransformConcurrentlyStress, AsCompletedEveryItemComesOnce) {
  ThreadPool pool(4);
  JobScope scope(pool);
  SourceLog log;
  const auto same = [](int item, const std::stop_token& /*stop*/) { return item; };
  auto results = SyncWait(CountTo(50'000, log) |
                          TransformConcurrently(scope, 16, same, Order::kCompletion) | Collect());
  SyncWait(scope.Join());
  std::ranges::sort(results);
  ASSERT_EQ(results.size(), 50'000U);
  for (int i = 0; i < 50'000; ++i) ASSERT_EQ(results[i], i);
}

TEST(TransformConcurrentlyStress, KeepsOrderAndLimitOnManyThreads) {
  ThreadPool pool(4);
  JobScope scope(pool);
  SourceLog log;
  std::atomic<int> in_flight = 0;
  const auto work = [&pool, &in_flight](int item, const std::stop_token& /*stop*/) {
    return HopAndDouble(pool, in_flight, item);
  };
  const auto results =
      SyncWait(HopBeforeEach(pool, 3'000, log) | TransformConcurrently(scope, 4, work) | Collect());
  SyncWait(scope.Join());
  ASSERT_EQ(results.size(), 3'000U);
  for (int i = 0; i < 3'000; ++i) ASSERT_EQ(results[i], i * 2);
}

}  // namespace
}  // namespace sluice
