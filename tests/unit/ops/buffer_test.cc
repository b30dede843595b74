#include "pipeline/ops/buffer.h"

#include <optional>
#include <stdexcept>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

class BufferTest : public testing::Test {
 protected:
  ~BufferTest() override {
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

  ManualExecutor executor_;
  JobScope scope_{executor_};
  SourceLog log_;
};

TEST_F(BufferTest, PullsNothingBeforeTheFirstNext) {
  auto items = CountTo(5, log_) | Buffer(scope_, 3);
  executor_.RunAll();
  EXPECT_EQ(log_.produced, 0);
  EXPECT_EQ(scope_.live(), 0U);
}

TEST_F(BufferTest, IsExactlyItsNumberOfItemsAhead) {
  for (const int ahead : {1, 2, 5}) {
    log_.produced = 0;
    auto items = CountTo(50, log_) | Buffer(scope_, ahead);
    for (int consumed = 0; consumed < 20; ++consumed) {
      Started next(NextOf(items));
      while (executor_.RunOne()) {
        EXPECT_LE(log_.produced - consumed, next.done() ? ahead + 1 : ahead);
      }
      EXPECT_EQ(next.Get(), consumed);
      EXPECT_EQ(log_.produced, consumed + 1 + ahead);
    }
  }
}

TEST_F(BufferTest, HandsOverWhatCameBeforeAnError) {
  auto items = CountToThenThrow(2, log_) | Buffer(scope_, 1);
  EXPECT_EQ(NextAfterARun(items), 0);
  EXPECT_EQ(NextAfterARun(items), 1);
  EXPECT_THROW(NextAfterARun(items), std::runtime_error);
  EXPECT_EQ(NextAfterARun(items), std::nullopt);
}

TEST_F(BufferTest, AStopOfTheScopeWakesTheConsumer) {
  FedSource fed(executor_);
  auto items = fed.Items(scope_.stop_token(), log_) | Buffer(scope_, 2);
  Started next(NextOf(items));
  executor_.RunAll();
  EXPECT_FALSE(next.done());
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(BufferTest, DroppedItLetsGoOfTheSource) {
  {
    auto items = CountTo(50, log_) | Buffer(scope_, 4);
    EXPECT_EQ(NextAfterARun(items), 0);
  }
  executor_.RunAll();
  EXPECT_TRUE(log_.dropped);
  EXPECT_EQ(scope_.live(), 0U);
  EXPECT_FALSE(scope_.stop_token().stop_requested());
}

TEST(BufferStress, KeepsTheOrderOnManyThreads) {
  ThreadPool pool(4);
  for (const std::size_t ahead : {1, 3, 64}) {
    JobScope scope(pool);
    SourceLog log;
    const auto items = SyncWait(HopBeforeEach(pool, 2'000, log) | Buffer(scope, ahead) | Collect());
    SyncWait(scope.Join());
    ASSERT_EQ(items.size(), 2'000U);
    for (int i = 0; i < 2'000; ++i) ASSERT_EQ(items[i], i);
  }
}

}  // namespace
}  // namespace sluice
