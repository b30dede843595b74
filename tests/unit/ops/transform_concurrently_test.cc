#include "pipeline/ops/transform_concurrently.h"

#include <algorithm>
#include <atomic>
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

  AsyncGenerator<int> ThroughGates(AsyncGenerator<int> source) {
    const auto pass = [this](int item, std::stop_token stop) { return gates_.Pass(item, stop); };
    return std::move(source) | TransformConcurrently(scope_, kLimit, pass);
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
