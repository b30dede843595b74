#include "pipeline/ops/throttle.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_range.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;

// Its items cost what they are.
auto ByValue(JobScope& scope, Clock& clock, ThrottleOptions options) {
  return Throttle(scope, clock, options, [](int item) { return item; });
}

class ThrottleTest : public testing::Test {
 protected:
  // Does the item come exactly `wait` after it is asked for?
  template <typename T>
  void ExpectNextAfter(Clock::Duration wait, AsyncGenerator<T>& items, const T& expected) {
    Started next(NextOf(items));
    if (wait > Clock::Duration::zero()) {
      clock_.Advance(wait - 1ns);
      executor_.RunAll();
      EXPECT_FALSE(next.done()) << "before its time";
      clock_.Advance(1ns);
    }
    executor_.RunAll();
    ASSERT_TRUE(next.done());
    EXPECT_EQ(next.Get(), expected);
  }

  ManualExecutor executor_;
  ManualClock clock_;
  JobScope scope_{executor_};
  SourceLog log_;
};

TEST_F(ThrottleTest, PullsNothingBeforeTheFirstNext) {
  auto items = CountTo(5, log_) | Throttle(scope_, clock_, {.per_second = 1, .burst = 1});
  EXPECT_EQ(log_.produced, 0);
}

TEST_F(ThrottleTest, ABurstPassesAtOnceAndTheRestAtTheRate) {
  auto items = CountTo(6, log_) | Throttle(scope_, clock_, {.per_second = 10, .burst = 3});
  for (int i = 0; i < 3; ++i) ExpectNextAfter(0ms, items, i);
  for (int i = 3; i < 6; ++i) ExpectNextAfter(100ms, items, i);
  EXPECT_EQ(Pull(items), std::nullopt) << "the end needs no waiting";
}

TEST_F(ThrottleTest, APauseOfTheConsumerSavesUpNoMoreThanABurst) {
  auto items = CountTo(9, log_) | Throttle(scope_, clock_, {.per_second = 10, .burst = 2});
  for (int i = 0; i < 2; ++i) ExpectNextAfter(0ms, items, i);
  clock_.Advance(150ms);
  ExpectNextAfter(0ms, items, 2);
  ExpectNextAfter(50ms, items, 3);
  clock_.Advance(1h);
  for (int i = 4; i < 6; ++i) ExpectNextAfter(0ms, items, i);
  ExpectNextAfter(100ms, items, 6);
}

TEST_F(ThrottleTest, AnItemWaitsForWhatItCosts) {
  auto items =
      FromRange(std::vector{5, 20, 50}) | ByValue(scope_, clock_, {.per_second = 100, .burst = 50});
  ExpectNextAfter(0ms, items, 5);
  ExpectNextAfter(0ms, items, 20);
  ExpectNextAfter(250ms, items, 50);
}

TEST_F(ThrottleTest, AnItemDearerThanTheBurstPassesWhenTheBucketIsFullAndIsPaidForAfterwards) {
  auto items = FromRange(std::vector{10, 500, 0, 10}) |
               ByValue(scope_, clock_, {.per_second = 100, .burst = 50});
  ExpectNextAfter(0ms, items, 10);
  ExpectNextAfter(100ms, items, 500);
  ExpectNextAfter(4500ms, items, 0);
  ExpectNextAfter(100ms, items, 10);
}

TEST_F(ThrottleTest, ARateThatIsNextToNothingOverflowsNoClock) {
  auto items = CountTo(2, log_) | Throttle(scope_, clock_, {.per_second = 1e-300, .burst = 1});
  ExpectNextAfter(0ms, items, 0);
  Started next(NextOf(items));
  clock_.Advance(1000h);
  executor_.RunAll();
  EXPECT_FALSE(next.done());
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(ThrottleTest, AStopEndsTheWaitAndNotWhatNeedsNone) {
  auto items = CountTo(9, log_) | Throttle(scope_, clock_, {.per_second = 10, .burst = 2});
  ExpectNextAfter(0ms, items, 0);
  scope_.RequestStop();
  ExpectNextAfter(0ms, items, 1);
  Started next(NextOf(items));
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(ThrottleTest, AnErrorOfTheSourceIsNotHeldBack) {
  auto items = CountToThenThrow(1, log_) | Throttle(scope_, clock_, {.per_second = 1, .burst = 1});
  ExpectNextAfter(0ms, items, 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
}

Task<std::uint64_t> AllocationsOfReading(AsyncGenerator<int> items) {
  (void)co_await items.Next();
  const std::uint64_t before = AllocationCount();
  while (co_await items.Next()) continue;
  co_return AllocationCount() - before;
}

TEST_F(ThrottleTest, AnItemThatNeedNotWaitCostsNoAllocation) {
  auto items = CountTo(1000, log_) | Throttle(scope_, clock_, {.per_second = 1, .burst = 1000});
  EXPECT_EQ(SyncWait(AllocationsOfReading(std::move(items))), 0U);
}

struct Passed {
  Clock::TimePoint when;
  int cost;
};

// When items of random costs pass a consumer that pauses at random.
std::vector<Passed> PassAtRandom(std::mt19937& random, ThrottleOptions options, int dearest) {
  ManualExecutor executor;
  ManualClock clock;
  JobScope scope(executor);
  std::uniform_int_distribution cost(0, dearest);
  std::vector<int> costs(200);
  std::generate(costs.begin(), costs.end(), [&] { return cost(random); });
  std::vector<Passed> passed;
  Started all(FromRange(costs) | ByValue(scope, clock, options) | ForEach([&](int item) -> Task<> {
                passed.push_back({clock.Now(), item});
                return Sleep(executor, clock, std::chrono::milliseconds(random() % 4 * 20));
              }));
  while (!all.done()) {
    executor.RunAll();
    clock.Advance(std::chrono::microseconds(random() % 50'000));
  }
  EXPECT_EQ(passed.size(), costs.size());
  return passed;
}

TEST(ThrottleProperty, NoWindowPassesMoreThanBurstAndRateAllow) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const ThrottleOptions options{.per_second = 100.0 + seed * 37, .burst = 50.0 + seed};
    const int dearest = seed % 2 == 0 ? 50 : 300;  // Within the burst, or far beyond it.
    const auto passed = PassAtRandom(random, options, dearest);
    const double one_item = std::max(0.0, dearest - options.burst);
    for (std::size_t first = 0; first < passed.size(); ++first) {
      double cost = 0;
      for (std::size_t last = first; last < passed.size(); ++last) {
        cost += passed[last].cost;
        const std::chrono::duration<double> window = passed[last].when - passed[first].when;
        const double allowed = options.burst + options.per_second * window.count() + one_item;
        ASSERT_LE(cost, allowed + 1e-6) << "items " << first << " to " << last;
      }
    }
  }
}

}  // namespace
}  // namespace sluice
