#include "pipeline/ops/tee.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

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
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Branches = std::vector<AsyncGenerator<int>>;

std::vector<int> UpTo(int end) {
  std::vector<int> numbers(static_cast<std::size_t>(end));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

class TeeTest : public testing::Test {
 protected:
  Branches Split(AsyncGenerator<int> source, std::size_t branches, std::size_t bound) {
    return std::move(source) | Tee(scope_, branches, bound);
  }
  // REQUIRES: no item needs waiting for.
  void TakeFrom(AsyncGenerator<int>& branch, int first, int end) {
    for (int i = first; i < end; ++i) EXPECT_EQ(Pull(branch), i);
  }
  void Drop(Branches& branches, std::ptrdiff_t index) { branches.erase(branches.begin() + index); }

  ManualExecutor executor_;
  JobScope scope_{executor_};
  SourceLog log_;
  FedSource fed_{executor_};
};

TEST_F(TeeTest, PullsNothingBeforeTheFirstNext) {
  Branches branches = Split(CountTo(5, log_), 2, 4);
  executor_.RunAll();
  EXPECT_EQ(log_.produced, 0);
}

TEST_F(TeeTest, EveryBranchGetsEveryItemInOrderAndTheEnd) {
  Branches branches = Split(CountTo(3, log_), 3, 8);
  for (AsyncGenerator<int>& branch : branches) {
    TakeFrom(branch, 0, 3);
    EXPECT_EQ(Pull(branch), std::nullopt);
    EXPECT_EQ(Pull(branch), std::nullopt);
  }
  EXPECT_EQ(log_.produced, 3) << "pulled once for all";
}

TEST_F(TeeTest, WhoeverIsAheadPullsAndTheOthersFindTheItemsThere) {
  Branches branches = Split(CountTo(6, log_), 2, 4);
  TakeFrom(branches[0], 0, 2);
  TakeFrom(branches[1], 0, 4);
  TakeFrom(branches[0], 2, 6);
  TakeFrom(branches[1], 4, 6);
}

TEST_F(TeeTest, TheFastestIsNeverMoreThanBoundAheadOfTheSlowest) {
  Branches branches = Split(CountTo(100, log_), 3, 4);
  TakeFrom(branches[0], 0, 4);
  Started waiting(NextOf(branches[0]));
  TakeFrom(branches[1], 0, 4);
  executor_.RunAll();
  EXPECT_FALSE(waiting.done());
  EXPECT_EQ(log_.produced, 4);
  TakeFrom(branches[2], 0, 1);
  executor_.RunAll();
  EXPECT_EQ(waiting.Get(), 4);
  EXPECT_EQ(log_.produced, 5);
}

TEST_F(TeeTest, ABoundOfOneGoesInLockStep) {
  Branches branches = Split(CountTo(5, log_), 2, 1);
  TakeFrom(branches[0], 0, 1);
  for (int i = 1; i < 5; ++i) {
    Started ahead(NextOf(branches[0]));
    EXPECT_FALSE(ahead.done());
    TakeFrom(branches[1], i - 1, i);
    executor_.RunAll();
    EXPECT_EQ(ahead.Get(), i);
  }
}

TEST_F(TeeTest, OneBranchWaitsWhileAnotherPullsForBoth) {
  Branches branches = Split(fed_.Items(scope_.stop_token(), log_), 2, 4);
  Started puller(NextOf(branches[0]));
  Started waiter(NextOf(branches[1]));
  executor_.RunAll();
  EXPECT_FALSE(waiter.done());
  fed_.Feed();
  executor_.RunAll();
  EXPECT_EQ(puller.Get(), 0);
  EXPECT_EQ(waiter.Get(), 0);
}

TEST_F(TeeTest, DroppingTheSlowestLetsTheOthersGoOn) {
  Branches branches = Split(CountTo(100, log_), 3, 2);
  TakeFrom(branches[0], 0, 2);
  TakeFrom(branches[1], 0, 2);
  Started first(NextOf(branches[0]));
  Started second(NextOf(branches[1]));
  EXPECT_FALSE(first.done() || second.done());
  Drop(branches, 2);  // It has never been pulled.
  executor_.RunAll();
  EXPECT_EQ(first.Get(), 2);
  EXPECT_EQ(second.Get(), 2);
}

TEST_F(TeeTest, ABranchThatStopsEarlyNoLongerCounts) {
  Branches branches = Split(CountTo(50, log_), 2, 2);
  Started all(std::move(branches[0]) | Collect());
  EXPECT_FALSE(all.done());
  EXPECT_EQ(SyncWait(std::move(branches[1]) | Take(1) | Collect()), UpTo(1));
  executor_.RunAll();
  EXPECT_EQ(all.Get(), UpTo(50));
}

Task<> FailAtTheSecondItem(AsyncGenerator<int> branch) {
  (void)co_await branch.Next();
  (void)co_await branch.Next();
  throw std::runtime_error("consumer broke");
}

TEST_F(TeeTest, AConsumerThatFailsDoesNotHoldUpTheOthers) {
  Branches branches = Split(CountTo(50, log_), 2, 2);
  Started all(std::move(branches[0]) | Collect());
  Started failing(FailAtTheSecondItem(std::move(branches[1])));
  executor_.RunAll();
  EXPECT_THROW(failing.Get(), std::runtime_error);
  EXPECT_EQ(all.Get(), UpTo(50));
}

TEST_F(TeeTest, TheItemPulledByABranchThatIsDroppedStaysForTheOthers) {
  Branches branches = Split(CountTo(5, log_), 2, 4);
  TakeFrom(branches[0], 0, 3);
  Drop(branches, 0);
  TakeFrom(branches[0], 0, 5);
}

TEST_F(TeeTest, AnErrorOfTheSourceReachesEveryBranchAfterItsItems) {
  Branches branches = Split(CountToThenThrow(2, log_), 2, 4);
  for (AsyncGenerator<int>& branch : branches) {
    TakeFrom(branch, 0, 2);
    EXPECT_THROW(Pull(branch), std::runtime_error);
    EXPECT_EQ(Pull(branch), std::nullopt);
  }
}

TEST_F(TeeTest, AStopWakesEveryBranchThatWaits) {
  Branches branches = Split(fed_.Items(scope_.stop_token(), log_), 3, 1);
  Started puller(NextOf(branches[0]));
  Started waits_for_puller(NextOf(branches[1]));
  Started waits_too(NextOf(branches[2]));
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(puller.Get(), Cancelled);
  EXPECT_THROW(waits_for_puller.Get(), Cancelled);
  EXPECT_THROW(waits_too.Get(), Cancelled);
}

TEST_F(TeeTest, AStopWakesABranchThatWaitsForRoom) {
  Branches branches = Split(CountTo(5, log_), 2, 1);
  TakeFrom(branches[0], 0, 1);
  Started waiting(NextOf(branches[0]));
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(waiting.Get(), Cancelled);
}

TEST_F(TeeTest, AnItemThatComesAfterAStopIsLostToNobody) {
  Branches branches = Split(fed_.Items({}, log_), 2, 4);
  Started puller(NextOf(branches[0]));
  scope_.RequestStop();
  fed_.Feed();
  executor_.RunAll();
  EXPECT_EQ(puller.Get(), 0);
  EXPECT_EQ(Pull(branches[1]), 0);
}

TEST_F(TeeTest, DropsTheSourceWithTheLastBranch) {
  Branches branches = Split(CountTo(5, log_), 2, 4);
  TakeFrom(branches[0], 0, 2);
  Drop(branches, 1);
  EXPECT_FALSE(log_.dropped);
  Drop(branches, 0);
  EXPECT_TRUE(log_.dropped);
}

// Counts its copies, and refuses one of them.
class Copied final {
 public:
  struct Log {
    int copies = 0;
    int refused = -1;
  };
  explicit Copied(Log& log) : log_(&log) {}
  Copied(const Copied& other) : log_(other.log_) {
    if (log_->copies++ == log_->refused) throw std::runtime_error("no copy");
  }
  Copied(Copied&&) noexcept = default;
  Copied& operator=(const Copied&) = delete;
  Copied& operator=(Copied&&) noexcept = default;
  ~Copied() = default;

 private:
  Log* log_;
};

AsyncGenerator<Copied> CopiedItems(int count, Copied::Log& log) {
  for (int i = 0; i < count; ++i) co_yield Copied(log);
}

TEST_F(TeeTest, CopiesOneTimeLessThanThereAreBranches) {
  Copied::Log copied;
  auto branches = CopiedItems(10, copied) | Tee(scope_, 3, 16);
  for (auto& branch : branches) EXPECT_EQ(SyncWait(std::move(branch) | Collect()).size(), 10U);
  EXPECT_EQ(copied.copies, 20);
}

TEST_F(TeeTest, APullerThatCannotCopyTheItemLeavesItToTheOthers) {
  Copied::Log copied{.refused = 0};
  auto branches = CopiedItems(1, copied) | Tee(scope_, 2, 4);
  EXPECT_THROW(Pull(branches[0]), std::runtime_error);
  EXPECT_TRUE(Pull(branches[1]).has_value());
  EXPECT_FALSE(Pull(branches[1]).has_value());
}

AsyncGenerator<std::shared_ptr<int>> Repeat(std::shared_ptr<int> item, int times) {
  for (int i = 0; i < times; ++i) co_yield item;
}

TEST_F(TeeTest, FreesWhatOnlyADroppedBranchNeeded) {
  const auto item = std::make_shared<int>(7);
  auto branches = Repeat(item, 3) | Tee(scope_, 2, 4);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Pull(branches[0]), item);
  const auto held_for_both = item.use_count();
  branches.pop_back();
  EXPECT_EQ(held_for_both - item.use_count(), 3);
}

// Both branches in turn, without a task for each pull.
Task<std::uint64_t> AllocationsOfReading(Branches branches, int items) {
  const std::uint64_t before = AllocationCount();
  for (int i = 0; i < items; ++i) {
    for (AsyncGenerator<int>& branch : branches) {
      if (co_await branch.Next() != i) throw std::logic_error("not the item");
    }
  }
  co_return AllocationCount() - before;
}

TEST_F(TeeTest, AnItemCostsNoAllocation) {
  EXPECT_EQ(SyncWait(AllocationsOfReading(Split(CountTo(1000, log_), 2, 8), 1000)), 0U);
}

// Reads in order; every `stride` items lets others run first.
Task<> ExpectAll(AsyncGenerator<int> branch, Executor& executor, int stride, int end) {
  int next = 0;
  while (auto item = co_await branch.Next()) {
    EXPECT_EQ(*item, next++);
    if (next % stride == 0) co_await executor.Schedule();
  }
  EXPECT_EQ(next, end);
}

// Reads some, and drops the branch: then all the rest must be found by the others.
Task<> ReadAndDrop(AsyncGenerator<int> branch, int count) {
  for (int i = 0; i < count; ++i) EXPECT_EQ(co_await branch.Next(), i);
}

TEST(TeeOnThreads, LosesAndDoublesNothingWhateverTheBranchesDo) {
  constexpr int kItems = 2000;
  ThreadPool pool(4);
  for (std::size_t bound = 1; bound <= 64; bound *= 4) {
    SourceLog log;
    JobScope scope(pool);
    auto branches = HopBeforeEach(pool, kItems, log) | Tee(scope, 6, bound);
    for (std::size_t i = 0; i < 4; ++i) {
      scope.Spawn(ExpectAll(std::move(branches[i]), pool, static_cast<int>(1 + 7 * i), kItems));
    }
    scope.Spawn(ReadAndDrop(std::move(branches[4]), 100));
    scope.Spawn(ReadAndDrop(std::move(branches[5]), 0));
    SyncWait(scope.Join());
    EXPECT_EQ(log.produced, kItems);
  }
}

AsyncGenerator<int> HopUntilStopped(Executor& executor, std::stop_token stop, SourceLog& log) {
  while (true) {
    co_await executor.Schedule(stop);
    co_yield log.produced++;
  }
}

// Stops the scope after some turns of the executor: whatever the others are doing then.
Task<> StopAfter(JobScope& scope, int turns) {
  for (int i = 0; i < turns; ++i) co_await scope.executor().Schedule();
  scope.RequestStop();
}

TEST(TeeOnThreads, AStopAtAnyMomentEndsEveryBranch) {
  ThreadPool pool(4);
  for (int round = 0; round < 100; ++round) {
    SourceLog log;
    JobScope scope(pool);
    auto branches = HopUntilStopped(pool, scope.stop_token(), log) | Tee(scope, 3, 4);
    scope.Spawn(ExpectAll(std::move(branches[0]), pool, 1, -1));
    scope.Spawn(ExpectAll(std::move(branches[1]), pool, 3, -1));
    scope.Spawn(ReadAndDrop(std::move(branches[2]), round));
    scope.Spawn(StopAfter(scope, round));
    SyncWait(scope.Join());
  }
}

}  // namespace
}  // namespace sluice
