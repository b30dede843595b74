// The combinators that run something beside their consumer, on the scope.

#include <algorithm>
#include <chrono>
#include <ranges>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/buffer.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/inspect.h"
#include "pipeline/ops/merge.h"
#include "pipeline/ops/tee.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/transform_concurrently.h"
#include "tests/docs/guide.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;

// [TransformConcurrently]
Task<std::string> Fetch(std::string page, std::stop_token /*stop*/) {
  co_return "<" + page + ">";  // Here a program would wait for a disk or a network.
}
// [/TransformConcurrently]

TEST_F(Guide, TransformConcurrently) {
  // [TransformConcurrently-use]
  auto pages = FromValues<std::string>("a", "b", "c") |
               TransformConcurrently(scope, /*limit=*/2, Fetch, Order::kSource);
  EXPECT_EQ(All(std::move(pages)), Words({"<a>", "<b>", "<c>"}));
  // [/TransformConcurrently-use]
}

TEST_F(Guide, Merge) {
  // [Merge]
  Numbers merged = All(Merge(scope, FromValues(1, 2), FromValues(10, 20)));
  EXPECT_TRUE(std::ranges::is_permutation(merged, Numbers({1, 2, 10, 20})));
  // [/Merge]
}

TEST_F(Guide, Buffer) {
  // [Buffer]
  EXPECT_EQ(All(FromValues(1, 2, 3) | Buffer(scope, 2)), Numbers({1, 2, 3}));
  // [/Buffer]
}

TEST_F(Guide, Batch) {
  // [Batch]
  auto batches = FromValues(1, 2, 3) | Batch(scope, clock, {.max_items = 2, .max_delay = 50ms});
  EXPECT_EQ(All(std::move(batches)), (std::vector<Numbers>{{1, 2}, {3}}));
  // [/Batch]
}

TEST_F(Guide, Tee) {
  // [Tee]
  Numbers copy;
  int sum = 0;
  auto branches = FromValues(1, 2, 3) | Tee(scope, /*branches=*/2, /*bound=*/16);
  scope.Spawn(std::move(branches[0]) | ForEach([&copy](int number) { copy.push_back(number); }));
  scope.Spawn(std::move(branches[1]) | ForEach([&sum](int number) { sum += number; }));
  Run(scope.Join());
  EXPECT_EQ(copy, Numbers({1, 2, 3}));
  EXPECT_EQ(sum, 6);
  // [/Tee]
}

// How far the source is ahead at the most, when everybody may go on as far as they like after each
// item that was taken.
Task<int> LargestLead(Executor& executor, AsyncGenerator<int> items, const int& made) {
  int largest = 0;
  for (int taken = 1; co_await items.Next(); ++taken) {
    for (int turn = 0; turn < 50; ++turn) co_await executor.Schedule();
    largest = std::max(largest, made - taken);
  }
  co_return largest;
}

TEST_F(Guide, Bounds) {
  int made = 0;
  const auto count = [&made](int) { ++made; };
  const auto add_one = [](int number) { return number + 1; };
  const auto twice = [](int number, const std::stop_token&) { return 2 * number; };
  // [Bounds]
  auto items = FromRange(std::views::iota(0, 100)) | Inspect(count) |  // 1
               Buffer(scope, 4) |                                      // 4
               Transform(add_one) | Transform(add_one) |               // 1
               TransformConcurrently(scope, 2, twice) |                // 2
               Transform(add_one);                                     // 1
  EXPECT_LE(Run(LargestLead(executor, std::move(items), made)), 1 + 4 + 1 + 2 + 1);
  // [/Bounds]
  EXPECT_EQ(made, 100);
}

}  // namespace
}  // namespace sluice
