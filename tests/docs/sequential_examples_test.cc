// The combinators that run nothing beside their consumer.

#include <functional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/distinct.h"
#include "pipeline/ops/enumerate.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/flat_map.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/group_adjacent.h"
#include "pipeline/ops/inspect.h"
#include "pipeline/ops/on_error.h"
#include "pipeline/ops/recover.h"
#include "pipeline/ops/skip.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/take_while.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/unbatch.h"
#include "tests/docs/guide.h"

namespace sluice {
namespace {

TEST_F(Guide, Filter) {
  // [Filter]
  const auto is_even = [](int number) { return number % 2 == 0; };
  EXPECT_EQ(All(FromValues(1, 2, 3, 4) | Filter(is_even)), Numbers({2, 4}));
  // [/Filter]
}

TEST_F(Guide, Transform) {
  // [Transform]
  const auto square = [](int number) { return number * number; };
  EXPECT_EQ(All(FromValues(1, 2, 3) | Transform(square)), Numbers({1, 4, 9}));
  // [/Transform]
}

TEST_F(Guide, Take) {
  // [Take]
  EXPECT_EQ(All(FromRange(std::views::iota(1)) | Take(3)), Numbers({1, 2, 3}));
  // [/Take]
}

TEST_F(Guide, TakeWhile) {
  // [TakeWhile]
  const auto is_small = [](int number) { return number < 3; };
  EXPECT_EQ(All(FromValues(1, 2, 3, 1) | TakeWhile(is_small)), Numbers({1, 2}));
  // [/TakeWhile]
}

TEST_F(Guide, Skip) {
  // [Skip]
  EXPECT_EQ(All(FromValues(1, 2, 3) | Skip(2)), Numbers({3}));
  // [/Skip]
}

TEST_F(Guide, Enumerate) {
  // [Enumerate]
  EXPECT_EQ(All(FromValues('a', 'b') | Enumerate(1)),
            (std::vector<Numbered<char>>{{1, 'a'}, {2, 'b'}}));
  // [/Enumerate]
}

// [FlatMap]
AsyncGenerator<int> CountdownFrom(int number) {
  for (; number > 0; --number) co_yield number;
}
// [/FlatMap]

TEST_F(Guide, FlatMap) {
  // [FlatMap-use]
  EXPECT_EQ(All(FromValues(3, 2) | FlatMap(CountdownFrom)), Numbers({3, 2, 1, 2, 1}));
  // [/FlatMap-use]
}

TEST_F(Guide, Inspect) {
  // [Inspect]
  int passed = 0;
  EXPECT_EQ(All(FromValues(5, 6) | Inspect([&passed](int) { ++passed; })), Numbers({5, 6}));
  EXPECT_EQ(passed, 2);
  // [/Inspect]
}

TEST_F(Guide, Distinct) {
  // [Distinct]
  EXPECT_EQ(All(FromValues(1, 1, 2, 1, 3) | Distinct(/*max_keys=*/100)), Numbers({1, 2, 3}));
  // [/Distinct]
}

TEST_F(Guide, GroupAdjacent) {
  // [GroupAdjacent]
  auto runs = FromValues(7, 7, 7, 9) | GroupAdjacent(std::equal_to(), /*max_items=*/2);
  EXPECT_EQ(All(std::move(runs)),
            (std::vector<AdjacentGroup<int>>{{{7, 7}, false}, {{7}, true}, {{9}, true}}));
  // [/GroupAdjacent]
}

TEST_F(Guide, Unbatch) {
  // [Unbatch]
  EXPECT_EQ(All(FromValues(Numbers{1, 2}, Numbers{3}) | Unbatch()), Numbers({1, 2, 3}));
  // [/Unbatch]
}

// [OnError]
absl::StatusOr<int> Parse(const std::string& text) {
  int number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return absl::InvalidArgumentError(text);
}
// [/OnError]

TEST_F(Guide, OnError) {
  // [OnError-use]
  const auto numbers = [] { return FromValues<std::string>("1", "x", "3") | Transform(Parse); };
  EXPECT_EQ(All(numbers() | OnError(DropErrors())), Numbers({1, 3}));
  EXPECT_EQ(All(numbers() | OnError(ReplaceErrors(0))), Numbers({1, 0, 3}));
  EXPECT_THROW(All(numbers() | OnError(StopAtError())), StatusError);
  // [/OnError-use]
}

// [Recover]
AsyncGenerator<int> Replica() {
  co_yield 1;
  throw StatusError(absl::UnavailableError("the replica went away"));
}
// [/Recover]

TEST_F(Guide, Recover) {
  // [Recover-use]
  const auto primary = [](const absl::Status& /*status*/) { return FromValues(2, 3); };
  EXPECT_EQ(All(Replica() | Recover(primary)), Numbers({1, 2, 3}));
  // [/Recover-use]
}

}  // namespace
}  // namespace sluice
