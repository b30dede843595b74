// The combinators that run nothing beside their consumer.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/concat.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/distinct.h"
#include "pipeline/ops/enumerate.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/flat_map.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/group_adjacent.h"
#include "pipeline/ops/inspect.h"
#include "pipeline/ops/on_error.h"
#include "pipeline/ops/progress.h"
#include "pipeline/ops/recover.h"
#include "pipeline/ops/reduce.h"
#include "pipeline/ops/skip.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/take_while.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/unbatch.h"
#include "pipeline/ops/zip.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""s;

using Items = std::vector<int>;

bool IsEven(int value) { return value % 2 == 0; }
int Square(int value) { return value * value; }
int Negate(int value) { return -value; }
Task<int> SquareLater(int value) { co_return value* value; }

TEST(Filter, KeepsWhatThePredicateAcceptsInOrder) {
  EXPECT_EQ(SyncWait(FromRange(Items({1, 2, 3, 4})) | Filter(IsEven) | Collect()), Items({2, 4}));
}

TEST(Filter, MovesItemsThatCannotBeCopied) {
  SourceLog log;
  auto owners = CountTo(4, log) | Transform([](int i) { return std::make_unique<int>(i); }) |
                Filter([](const std::unique_ptr<int>& owner) { return IsEven(*owner); });
  EXPECT_EQ(**Pull(owners), 0);
  EXPECT_EQ(**Pull(owners), 2);
}

struct Entry {
  int size;
  bool hidden;
};

TEST(FilterAndTransform, AcceptPointersToMembers) {
  const std::vector<Entry> entries = {{1, true}, {2, false}, {3, true}};
  EXPECT_EQ(
      SyncWait(FromRange(entries) | Filter(&Entry::hidden) | Transform(&Entry::size) | Collect()),
      Items({1, 3}));
}

TEST(Filter, StageMayBeUsedForSeveralSources) {
  const auto even = Filter(IsEven);
  EXPECT_EQ(SyncWait(FromRange(Items({1, 2})) | even | Collect()), Items({2}));
  EXPECT_EQ(SyncWait(FromRange(Items({4, 5})) | even | Collect()), Items({4}));
}

TEST(Transform, AppliesAFunctionInOrder) {
  EXPECT_EQ(SyncWait(FromRange(Items({1, 2, 3})) | Transform(Square) | Collect()),
            Items({1, 4, 9}));
}

TEST(Transform, AwaitsAFunctionThatReturnsATask) {
  EXPECT_EQ(SyncWait(FromRange(Items({1, 2, 3})) | Transform(SquareLater) | Collect()),
            Items({1, 4, 9}));
}

TEST(Transform, ThrowsWhatTheFunctionThrowsInItsItemsPlace) {
  auto items = FromRange(Items({1, 2})) | Transform([](int value) {
                 return value == 2 ? throw std::runtime_error("two") : value;
               });
  EXPECT_EQ(Pull(items), 1);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Take, NeverAsksForMoreThanItsCount) {
  SourceLog log;
  EXPECT_EQ(SyncWait(CountTo(100, log) | Take(3) | Collect()), Items({0, 1, 2}));
  EXPECT_EQ(log.produced, 3);
  EXPECT_TRUE(log.dropped);
}

TEST(Take, OfNothingDoesNotStartTheSource) {
  SourceLog log;
  EXPECT_EQ(SyncWait(CountTo(100, log) | Take(0) | Collect()), Items());
  EXPECT_EQ(log.produced, 0);
}

TEST(Take, EndsWithAShorterSource) {
  SourceLog log;
  EXPECT_EQ(SyncWait(CountTo(2, log) | Take(3) | Collect()), Items({0, 1}));
}

TEST(Unbatch, YieldsTheItemsOfEachVectorInOrder) {
  std::vector<Items> batches = {{1, 2}, {}, {3}};
  EXPECT_EQ(SyncWait(FromRange(std::move(batches)) | Unbatch() | Collect()), Items({1, 2, 3}));
}

TEST(Unbatch, AsksForAVectorOnlyWhenTheLastOneIsUsedUp) {
  SourceLog log;
  auto items = CountTo(9, log) | Transform([](int i) { return Items(2, i); }) | Unbatch();
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(log.produced, 1);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(log.produced, 2);
}

TEST(Collect, PullsNothingBeforeItIsAwaited) {
  SourceLog log;
  auto collecting = CountTo(2, log) | Collect();
  EXPECT_EQ(log.produced, 0);
  EXPECT_EQ(SyncWait(std::move(collecting)), Items({0, 1}));
}

TEST(Collect, ThrowsTheSourcesError) {
  SourceLog log;
  EXPECT_THROW(SyncWait(CountToThenThrow(2, log) | Collect()), std::runtime_error);
}

TEST(ForEach, GivesEveryItemToTheFunction) {
  Items seen;
  SyncWait(FromRange(Items({1, 2})) | ForEach([&seen](int value) { seen.push_back(value); }));
  EXPECT_EQ(seen, Items({1, 2}));
}

Task<> AppendLater(Items& seen, int value) {
  seen.push_back(value);
  co_return;
}

TEST(ForEach, AwaitsAFunctionThatReturnsATask) {
  Items seen;
  SyncWait(FromRange(Items({1, 2})) |
           ForEach([&seen](int value) { return AppendLater(seen, value); }));
  EXPECT_EQ(seen, Items({1, 2}));
}

TEST(ForEach, StopsAtTheFirstThrow) {
  SourceLog log;
  EXPECT_THROW(SyncWait(CountTo(9, log) | ForEach([](int value) {
                          if (value == 1) throw std::runtime_error("one");
                        })),
               std::runtime_error);
  EXPECT_EQ(log.produced, 2);
}

TEST(FromRange, MovesOutOfAContainerThatItOwns) {
  std::vector<std::unique_ptr<int>> owners;
  owners.push_back(std::make_unique<int>(5));
  auto items = FromRange(std::move(owners));
  EXPECT_EQ(**Pull(items), 5);
}

TEST(FromRange, CopiesOutOfAView) {
  std::vector<std::string> texts = {"longer than what fits into a string object itself"};
  auto items = FromRange(std::span(texts));
  EXPECT_EQ(Pull(items), texts.front());
  EXPECT_FALSE(texts.front().empty());
}

TEST(FromRange, AcceptsAGeneratedRange) {
  EXPECT_EQ(SyncWait(FromRange(std::views::iota(0, 3)) | Collect()), Items({0, 1, 2}));
}

// One after the other, every stage here that may leave its items as they are.
AsyncGenerator<int> ThroughEveryStage(AsyncGenerator<int> source, Clock& clock) {
  const auto keep = [](int) { return true; };
  const auto ignore = [](const auto&) {};
  const auto nothing = [](const absl::Status&) { return FromValues<int>(); };
  auto values = Concat(std::move(source)) | Filter(keep) | TakeWhile(keep) | Skip(0) |
                Inspect(ignore) | Take(1'000'000) | Enumerate() | Transform(&Numbered<int>::value);
  return Zip(std::move(values)) |
         Transform([](std::tuple<int> row) { return absl::StatusOr<int>(std::get<0>(row)); }) |
         OnError(DropErrors()) | Progress(clock, {.label = "all", .interval = 1s}, ignore) |
         Distinct(16) | Recover(nothing);
}

TEST(Combinators, GoOnWhenASourceThatWaitedGoesOn) {
  ManualExecutor executor;
  ManualClock clock;
  SourceLog log;
  auto items = ThroughEveryStage(HopBeforeEach(executor, 3, log), clock) |
               FlatMap([](int i) { return FromValues(i); }) |
               GroupAdjacent(std::not_equal_to<>(), 2);
  Started collecting(std::move(items) | Collect());
  EXPECT_FALSE(collecting.done());
  executor.RunAll();
  EXPECT_EQ(collecting.Get(), (std::vector<AdjacentGroup<int>>{{{0, 1}, false}, {{2}, true}}));
}

TEST(Combinators, PassCancelledOn) {
  ManualExecutor executor;
  ManualClock clock;
  SourceLog log;
  FedSource fed(executor);
  std::stop_source stop;
  Started counting(ThroughEveryStage(fed.Items(stop.get_token(), log), clock) | Count());
  stop.request_stop();
  executor.RunAll();
  EXPECT_THROW(counting.Get(), Cancelled);
}

TEST(Combinators, AllocateNothingForAnItemInAnyStage) {
  ManualClock clock;
  auto run = ThroughEveryStage(FromRange(std::views::iota(0, 100'000)), clock) |
             Reduce(std::int64_t{0}, std::plus());
  const std::uint64_t before = AllocationCount();
  EXPECT_GT(SyncWait(std::move(run)), 0);
  EXPECT_LE(AllocationCount() - before, 20U) << "frames, the window of Distinct, an alarm";
}

TEST(Combinators, AllocateNothingForAnItem) {
  auto sum = std::make_unique<std::int64_t>(0);
  auto run = FromRange(std::views::iota(0, 100'000)) | Filter(IsEven) | Transform(Negate) |
             Take(40'000) | ForEach([&total = *sum](int value) { total += value; });
  const std::uint64_t before = AllocationCount();
  SyncWait(std::move(run));
  EXPECT_LE(AllocationCount() - before, 1U) << "the frame of SyncWait";
  EXPECT_LT(*sum, 0);
}

}  // namespace
}  // namespace sluice
