#include "pipeline/ops/batch.h"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/unbatch.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using Items = std::vector<int>;

// A scope on an executor and a clock that the test drives. Joins at the end of the test.
class BatchTest : public testing::Test {
 protected:
  ~BatchTest() override {
    scope_.RequestStop();
    Started join(scope_.Join());
    executor_.RunAll();
    EXPECT_NO_THROW(join.Get());
  }

  AsyncGenerator<Items> InBatches(AsyncGenerator<int> source, std::size_t max_items) {
    return std::move(source) | Batch(scope_, clock_, {.max_items = max_items, .max_delay = 10ms});
  }

  // The next batch, which must need nothing but the executor.
  std::optional<Items> NextBatch(AsyncGenerator<Items>& batches) {
    Started next(NextOf(batches));
    executor_.RunAll();
    return next.Get();
  }

  ManualExecutor executor_;
  ManualClock clock_;
  JobScope scope_{executor_};
  SourceLog log_;
  FedSource source_{executor_};
};

TEST_F(BatchTest, RunsNothingBeforeTheFirstNext) {
  auto batches = InBatches(CountTo(5, log_), 2);
  executor_.RunAll();
  EXPECT_EQ(log_.produced, 0);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(BatchTest, HandsOnFullBatchesAndTheRestAtTheEnd) {
  auto batches = InBatches(CountTo(5, log_), 2);
  EXPECT_EQ(NextBatch(batches), Items({0, 1}));
  EXPECT_EQ(NextBatch(batches), Items({2, 3}));
  EXPECT_EQ(NextBatch(batches), Items({4}));
  EXPECT_EQ(NextBatch(batches), std::nullopt);
  EXPECT_EQ(NextBatch(batches), std::nullopt);
}

TEST_F(BatchTest, HandsOnNoEmptyBatchWhenTheEndFollowsAFullOne) {
  auto batches = InBatches(CountTo(2, log_), 2);
  EXPECT_EQ(NextBatch(batches), Items({0, 1}));
  EXPECT_EQ(NextBatch(batches), std::nullopt);
}

TEST_F(BatchTest, AnEmptySourceGivesNoBatch) {
  auto batches = InBatches(CountTo(0, log_), 2);
  EXPECT_EQ(NextBatch(batches), std::nullopt);
}

TEST_F(BatchTest, HandsOnWhatIsThereOnceTheFirstItemsDelayHasPassed) {
  auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 100);
  Started next(NextOf(batches));
  executor_.RunAll();
  clock_.Advance(1h);  // Without an item there is no delay.
  source_.Feed();
  executor_.RunAll();
  clock_.Advance(9ms);
  source_.Feed();  // Does not prolong the delay.
  executor_.RunAll();
  EXPECT_FALSE(next.done());
  clock_.Advance(1ms);
  executor_.RunAll();
  EXPECT_EQ(next.Get(), Items({0, 1}));
}

TEST_F(BatchTest, TheDelayStartsAnewWithEachBatch) {
  auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 2);
  Started first(NextOf(batches));
  executor_.RunAll();
  source_.Feed(1);
  executor_.RunAll();
  clock_.Advance(9ms);
  source_.Feed(2);
  executor_.RunAll();
  EXPECT_EQ(first.Get(), Items({0, 1}));
  Started second(NextOf(batches));
  clock_.Advance(9ms);
  executor_.RunAll();
  EXPECT_FALSE(second.done());
  clock_.Advance(1ms);
  executor_.RunAll();
  EXPECT_EQ(second.Get(), Items({2}));
}

TEST_F(BatchTest, ADelayThatPassedWhileTheConsumerWasBusyIsOver) {
  auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 2);
  source_.Feed(3);
  EXPECT_EQ(NextBatch(batches), Items({0, 1}));
  executor_.RunAll();
  clock_.Advance(10ms);
  EXPECT_EQ(NextBatch(batches), Items({2}));
}

TEST_F(BatchTest, WithoutADelayHandsOnWhateverIsThere) {
  auto batches = source_.Items(scope_.stop_token(), log_) |
                 Batch(scope_, clock_, {.max_items = 9, .max_delay = {}});
  source_.Feed(1);
  EXPECT_EQ(NextBatch(batches), Items({0}));
  source_.Feed(3);
  executor_.RunAll();
  EXPECT_EQ(NextBatch(batches), Items({1, 2, 3}));
}

TEST_F(BatchTest, ABatchIsFullWhenItHasTheBytes) {
  auto batches =
      CountTo(10, log_) | Batch(scope_, clock_, {.max_items = 4, .max_delay = 10ms, .max_bytes = 7},
                                [](int item) { return static_cast<std::size_t>(item); });
  EXPECT_EQ(NextBatch(batches), Items({0, 1, 2, 3})) << "six bytes, but four items";
  executor_.RunAll();
  EXPECT_EQ(log_.produced, 6) << "with 5 there are nine bytes";
  EXPECT_EQ(NextBatch(batches), Items({4, 5}));
  EXPECT_EQ(NextBatch(batches), Items({6, 7}));
  EXPECT_EQ(NextBatch(batches), Items({8}));
  EXPECT_EQ(NextBatch(batches), Items({9}));
  EXPECT_EQ(NextBatch(batches), std::nullopt);
}

TEST_F(BatchTest, AcceptsADelayWithoutEnd) {
  auto batches = CountTo(1, log_) |
                 Batch(scope_, clock_, {.max_items = 2, .max_delay = Clock::Duration::max()});
  EXPECT_EQ(NextBatch(batches), Items({0}));
}

TEST_F(BatchTest, WakesTheConsumerOnceForABatch) {
  auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 4);
  Started next(NextOf(batches));
  executor_.RunAll();
  for (int i = 0; i < 3; ++i) {
    source_.Feed();
    EXPECT_EQ(executor_.RunAll(), 1U) << "the source alone";
  }
  source_.Feed();
  EXPECT_EQ(executor_.RunAll(), 3U) << "the source, the consumer, the source that has room again";
  EXPECT_EQ(next.Get(), Items({0, 1, 2, 3}));
}

TEST_F(BatchTest, FillsTheNextBatchWhileTheConsumerIsBusyAndNoMore) {
  auto batches = InBatches(CountTo(100, log_), 8);
  for (int handed_over = 8; handed_over <= 80; handed_over += 8) {
    EXPECT_TRUE(NextBatch(batches));
    executor_.RunAll();
    EXPECT_EQ(log_.produced, handed_over + 8);
  }
}

TEST_F(BatchTest, HandsOnWhatCameBeforeAnErrorAndThenThrowsIt) {
  auto batches = InBatches(CountToThenThrow(3, log_), 2);
  EXPECT_EQ(NextBatch(batches), Items({0, 1}));
  EXPECT_EQ(NextBatch(batches), Items({2}));
  EXPECT_THROW(NextBatch(batches), std::runtime_error);
  EXPECT_EQ(NextBatch(batches), std::nullopt);
}

TEST_F(BatchTest, AStopOfTheScopeWakesTheConsumerWithCancelled) {
  auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 2);
  Started next(NextOf(batches));
  source_.Feed();
  executor_.RunAll();
  scope_.RequestStop();
  executor_.RunAll();
  ASSERT_TRUE(next.done());
  EXPECT_THROW(
      {
        // What was gathered may come before: a cut result still ends with Cancelled.
        if (next.Get() == Items({0})) NextBatch(batches);
      },
      Cancelled);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(BatchTest, DroppedWithAFullBatchEndsTheSource) {
  {
    auto batches = InBatches(CountTo(100, log_), 2);
    EXPECT_TRUE(NextBatch(batches));
    executor_.RunAll();
  }
  EXPECT_EQ(scope_.live(), 1U);
  executor_.RunAll();
  EXPECT_EQ(scope_.live(), 0U);
  EXPECT_TRUE(log_.dropped);
}

TEST_F(BatchTest, DroppedWhileTheSourceWaitsEndsItWithItsNextItem) {
  {
    auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 2);
    source_.Feed(3);
    EXPECT_TRUE(NextBatch(batches));
    executor_.RunAll();  // One item is gathered, its delay runs.
  }
  executor_.RunAll();
  EXPECT_EQ(scope_.live(), 1U);
  source_.Feed();
  executor_.RunAll();
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(BatchTest, DroppedWhileTheSourceWaitsEndsItWithTheScopesStop) {
  {
    auto batches = InBatches(source_.Items(scope_.stop_token(), log_), 2);
    source_.Feed(3);
    EXPECT_TRUE(NextBatch(batches));
    executor_.RunAll();
  }
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_EQ(scope_.live(), 0U);
  EXPECT_TRUE(log_.dropped);
}

TEST_F(BatchTest, DropsTheSourceOfAGeneratorThatNeverStarted) {
  {
    auto batches = InBatches(CountTo(1, log_), 2);
  }
  EXPECT_EQ(log_.produced, 0);
}

TEST_F(BatchTest, GathersMoveOnlyItems) {
  auto batches = CountTo(3, log_) | Transform([](int i) { return std::make_unique<int>(i); }) |
                 Batch(scope_, clock_, {.max_items = 3, .max_delay = 10ms});
  Started next(NextOf(batches));
  executor_.RunAll();
  EXPECT_EQ(*next.Get()->back(), 2);
}

TEST(BatchStress, LosesNothingBetweenThreadsWhenDelaysAndFullBatchesRace) {
  ThreadPool pool(3);
  SystemClock clock;
  JobScope scope(pool);
  SourceLog log;
  const auto items =
      SyncWait(HopBeforeEach(pool, 5'000, log) |
               Batch(scope, clock, {.max_items = 8, .max_delay = std::chrono::microseconds(20)}) |
               Unbatch() | Collect());
  SyncWait(scope.Join());
  ASSERT_EQ(items.size(), 5'000U);
  for (int i = 0; i < 5'000; ++i) ASSERT_EQ(items[i], i);
}

Task<> PullOne(AsyncGenerator<Items> batches) { co_await batches.Next(); }

TEST(BatchStress, MayBeDroppedAtAnyMoment) {
  ThreadPool pool(3);
  SystemClock clock;
  for (int round = 0; round < 300; ++round) {
    SourceLog log;
    JobScope scope(pool);
    const auto delay = std::chrono::microseconds(round % 50);
    SyncWait(PullOne(HopBeforeEach(pool, 50, log) |
                     Batch(scope, clock, {.max_items = 4, .max_delay = delay})));
    SyncWait(scope.Join());
    ASSERT_TRUE(log.dropped);
  }
}

}  // namespace
}  // namespace sluice
