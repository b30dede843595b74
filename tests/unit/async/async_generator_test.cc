#include "pipeline/async/async_generator.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/small_stack.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

// Yields 0, 1, ... below `end`; `*produced` is how many were begun.
AsyncGenerator<int> CountTo(int end, int* produced) {
  for (int i = 0; i < end; ++i) {
    ++*produced;
    co_yield i;
  }
}

AsyncGenerator<int> Forward(AsyncGenerator<int> source) {
  while (auto item = co_await source.Next()) co_yield *std::move(item);
}

AsyncGenerator<int> ThrowAfterOne() {
  co_yield 1;
  throw std::runtime_error("broken");
}

Task<std::int64_t> Sum(AsyncGenerator<int> source) {
  std::int64_t sum = 0;
  while (auto item = co_await source.Next()) sum += *item;
  co_return sum;
}

TEST(AsyncGenerator, RunsNothingBeforeTheFirstNext) {
  int produced = 0;
  auto numbers = CountTo(3, &produced);
  EXPECT_EQ(produced, 0);
  EXPECT_EQ(Pull(numbers), 0);
  EXPECT_EQ(produced, 1);
}

TEST(AsyncGenerator, IsNeverMoreThanOneAhead) {
  int produced = 0;
  auto numbers = CountTo(100, &produced);
  for (int consumed = 1; consumed <= 100; ++consumed) {
    EXPECT_TRUE(Pull(numbers));
    EXPECT_EQ(produced, consumed);
  }
}

TEST(AsyncGenerator, StaysAtItsEnd) {
  int produced = 0;
  auto numbers = CountTo(1, &produced);
  EXPECT_EQ(Pull(numbers), 0);
  EXPECT_EQ(Pull(numbers), std::nullopt);
  EXPECT_EQ(Pull(numbers), std::nullopt);
}

TEST(AsyncGenerator, ThrowsFromTheNextThatMetTheErrorAndThenIsAtItsEnd) {
  auto items = ThrowAfterOne();
  EXPECT_EQ(Pull(items), 1);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(AsyncGenerator, PassesErrorsThroughAChain) {
  auto items = Forward(Forward(ThrowAfterOne()));
  EXPECT_EQ(Pull(items), 1);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(AsyncGenerator, GoesOnWhereItWasWhenMoved) {
  int produced = 0;
  auto first = CountTo(3, &produced);
  EXPECT_EQ(Pull(first), 0);
  auto second = std::move(first);
  EXPECT_EQ(Pull(second), 1);
  EXPECT_EQ(Pull(first), std::nullopt);  // NOLINT(bugprone-use-after-move): as documented.
}

AsyncGenerator<int> Holding(std::shared_ptr<int> argument, std::shared_ptr<int> local) {
  const std::shared_ptr<int> moved = std::move(local);
  co_yield *argument;
  co_yield *moved;
}

TEST(AsyncGenerator, DestroysWhatItHoldsWhenDroppedHalfway) {
  const auto probe = std::make_shared<int>(1);
  {
    auto items = Holding(probe, probe);
    EXPECT_EQ(Pull(items), 1);
    EXPECT_EQ(probe.use_count(), 3);
  }
  EXPECT_EQ(probe.use_count(), 1);
}

TEST(AsyncGenerator, DestroysItsArgumentsWhenDroppedBeforeItStarted) {
  const auto probe = std::make_shared<int>(1);
  {
    auto items = Holding(probe, probe);
  }
  EXPECT_EQ(probe.use_count(), 1);
}

TEST(AsyncGenerator, DropsWhatItHeldWhenAssignedTo) {
  const auto probe = std::make_shared<int>(1);
  auto items = Holding(probe, probe);
  EXPECT_EQ(Pull(items), 1);
  items = ThrowAfterOne();
  EXPECT_EQ(probe.use_count(), 1);
}

AsyncGenerator<std::string> TheSameTwice() {
  const std::string text = "longer than what fits into a string object itself";
  co_yield text;
  co_yield text;
}

TEST(AsyncGenerator, CopiesAnLvalueThatItYields) {
  auto texts = TheSameTwice();
  const auto first = Pull(texts);
  EXPECT_EQ(Pull(texts), first);
}

AsyncGenerator<std::unique_ptr<int>> Owners() {
  co_yield std::make_unique<int>(1);
  auto two = std::make_unique<int>(2);
  co_yield std::move(two);
}

TEST(AsyncGenerator, HandsOverMoveOnlyItems) {
  auto owners = Owners();
  EXPECT_EQ(**Pull(owners), 1);
  EXPECT_EQ(**Pull(owners), 2);
  EXPECT_EQ(Pull(owners), std::nullopt);
}

AsyncGenerator<int> HopBeforeEach(Executor& executor, int end) {
  for (int i = 0; i < end; ++i) {
    co_await executor.Schedule();
    co_yield i;
  }
}

TEST(AsyncGenerator, MayAwaitBetweenItems) {
  ManualExecutor executor;
  Started sum(Sum(Forward(HopBeforeEach(executor, 4))));
  EXPECT_FALSE(sum.done());
  EXPECT_EQ(executor.RunAll(), 4U);
  EXPECT_EQ(sum.Get(), 6);
}

AsyncGenerator<int> ChainOf(AsyncGenerator<int> source, int stages) {
  for (int i = 0; i < stages; ++i) source = Forward(std::move(source));
  return source;
}

constexpr int kMany = 1'000'000;

TEST(AsyncGenerator, PassesAMillionItemsThroughTwentyStagesOnASmallStack) {
  int produced = 0;
  RunOnSmallStack([&produced] {
    auto last = ChainOf(CountTo(kMany, &produced), 20);
    EXPECT_EQ(SyncWait(Sum(std::move(last))), std::int64_t{kMany} * (kMany - 1) / 2);
  });
  EXPECT_EQ(produced, kMany);
}

TEST(AsyncGenerator, AllocatesNothingForAnItem) {
  int produced = 0;
  auto last = ChainOf(CountTo(100'000, &produced), 5);
  const std::uint64_t before = AllocationCount();
  EXPECT_GT(SyncWait(Sum(std::move(last))), 0);
  EXPECT_LE(AllocationCount() - before, 2U) << "the two frames that wait for the sum";
}

}  // namespace
}  // namespace sluice
