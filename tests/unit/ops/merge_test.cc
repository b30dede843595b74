#include "pipeline/ops/merge.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/take.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

class MergeTest : public testing::Test {
 protected:
  ~MergeTest() override {
    scope_.RequestStop();
    Started join(scope_.Join());
    executor_.RunAll();
    EXPECT_NO_THROW(join.Get());
  }

  std::optional<int> NextAfterARun(AsyncGenerator<int>& items) {
    Started next(NextOf(items));
    executor_.RunAll();
    return next.Get();
  }
  AsyncGenerator<int> Fed(FedSource& source, SourceLog& log) {
    return source.Items(scope_.stop_token(), log);
  }

  ManualExecutor executor_;
  JobScope scope_{executor_};
  SourceLog log_;
  SourceLog other_log_;
  FedSource fed_{executor_};
  FedSource other_fed_{executor_};
};

TEST_F(MergeTest, PullsNothingBeforeTheFirstNext) {
  auto items = Merge(scope_, CountTo(3, log_), CountTo(3, other_log_));
  executor_.RunAll();
  EXPECT_EQ(log_.produced + other_log_.produced, 0);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(MergeTest, YieldsEverythingThenEnds) {
  Started all(Merge(scope_, CountTo(3, log_), CountTo(2, other_log_)) | Collect());
  executor_.RunAll();
  std::vector<int> items = all.Get();
  std::ranges::sort(items);
  EXPECT_EQ(items, (std::vector{0, 0, 1, 1, 2}));
}

TEST_F(MergeTest, OfNoSourcesIsEmpty) {
  auto items = Merge(scope_, std::vector<AsyncGenerator<int>>());
  EXPECT_EQ(NextAfterARun(items), std::nullopt);
}

TEST_F(MergeTest, PullsSoManyAheadAsItIsTold) {
  constexpr int kAhead = 3;
  std::vector<AsyncGenerator<int>> sources;
  sources.push_back(CountTo(100, log_));
  sources.push_back(CountTo(100, other_log_));
  auto items = Merge(scope_, std::move(sources), kAhead);
  ASSERT_TRUE(NextAfterARun(items));
  EXPECT_EQ(log_.produced + other_log_.produced, 1 + kAhead + 2) << "one in each child's hand";
}

TEST_F(MergeTest, ASlowSourceHoldsBackNobody) {
  auto items = Merge(scope_, Fed(fed_, log_), CountTo(3, other_log_));
  EXPECT_EQ(NextAfterARun(items), 0);
  EXPECT_EQ(NextAfterARun(items), 1);
  EXPECT_EQ(NextAfterARun(items), 2);
  Started next(NextOf(items));
  executor_.RunAll();
  EXPECT_FALSE(next.done()) << "one source has not ended";
  fed_.Feed();
  executor_.RunAll();
  EXPECT_EQ(next.Get(), 0);
}

TEST_F(MergeTest, EverySourceIsOneItemAheadAndNoMore) {
  auto items = Merge(scope_, CountTo(20, log_), CountTo(20, other_log_));
  for (int consumed = 0; consumed < 30; ++consumed) {
    Started next(NextOf(items));
    while (executor_.RunOne()) {
      EXPECT_LE(log_.produced + other_log_.produced - consumed, next.done() ? 3 : 2);
    }
    EXPECT_TRUE(next.done());
  }
}

TEST_F(MergeTest, WhoWasReadyFirstIsHandedOverFirst) {
  auto items = Merge(scope_, Fed(fed_, log_), Fed(other_fed_, other_log_));
  fed_.Feed();
  EXPECT_EQ(NextAfterARun(items), 0);
  other_fed_.Feed();
  executor_.RunAll();
  fed_.Feed();
  executor_.RunAll();
  EXPECT_EQ(NextAfterARun(items), 0);
  EXPECT_EQ(NextAfterARun(items), 1);
}

TEST_F(MergeTest, TheFirstErrorComesAfterWhatWasReadyBeforeIt) {
  auto items =
      Merge(scope_, Fed(fed_, log_), Fed(other_fed_, other_log_), CountToThenThrow(1, other_log_));
  EXPECT_EQ(NextAfterARun(items), 0);
  fed_.Feed();
  executor_.RunAll();
  EXPECT_THROW(
      {
        while (NextAfterARun(items)) continue;
      },
      std::runtime_error);
  EXPECT_EQ(NextAfterARun(items), std::nullopt);
}

TEST_F(MergeTest, AStopOfTheScopeWakesTheConsumer) {
  auto items = Merge(scope_, Fed(fed_, log_), Fed(other_fed_, other_log_));
  Started next(NextOf(items));
  executor_.RunAll();
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(MergeTest, DroppedItLetsGoOfEverySource) {
  {
    auto items = Merge(scope_, CountTo(20, log_), CountTo(20, other_log_));
    EXPECT_EQ(NextAfterARun(items), 0);
  }
  executor_.RunAll();
  EXPECT_TRUE(log_.dropped);
  EXPECT_TRUE(other_log_.dropped);
  EXPECT_EQ(scope_.live(), 0U);
  EXPECT_FALSE(scope_.stop_token().stop_requested());
}

std::vector<AsyncGenerator<int>> HoppingSources(ThreadPool& pool, SourceLog& log) {
  std::vector<AsyncGenerator<int>> sources;
  sources.reserve(5);
  for (int i = 0; i < 5; ++i) sources.push_back(HopBeforeEach(pool, 500, log));
  return sources;
}

TEST(MergeStress, LosesAndDoublesNothingOnManyThreads) {
  ThreadPool pool(4);
  JobScope scope(pool);
  SourceLog log;
  auto items = SyncWait(Merge(scope, HoppingSources(pool, log)) | Collect());
  SyncWait(scope.Join());
  std::ranges::sort(items);
  ASSERT_EQ(items.size(), 2'500U);
  for (std::size_t i = 0; i < items.size(); ++i) ASSERT_EQ(items[i], static_cast<int>(i / 5));
}

TEST(MergeStress, DroppedAtAnyPointLeavesNothingBehind) {
  ThreadPool pool(4);
  for (std::size_t taken = 0; taken < 100; ++taken) {
    JobScope scope(pool);
    SourceLog log;
    auto items = Merge(scope, HoppingSources(pool, log)) | Take(taken) | Collect();
    EXPECT_EQ(SyncWait(std::move(items)).size(), taken);
    SyncWait(scope.Join());
  }
}

}  // namespace
}  // namespace sluice
