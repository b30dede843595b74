#include "pipeline/ops/reduce.h"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/from_values.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

TEST(Reduce, CombinesItemsFromTheFirstToTheLast) {
  const auto append = [](std::string text, char next) { return std::move(text) + next; };
  EXPECT_EQ(SyncWait(FromValues('a', 'b', 'c') | Reduce(std::string(">"), append)), ">abc");
}

TEST(Reduce, OfNothingIsTheInitialValue) {
  EXPECT_EQ(SyncWait(FromValues<int>() | Reduce(7, std::plus())), 7);
}

Task<int> AddLater(int sum, int value) { co_return sum + value; }

TEST(Reduce, AwaitsAFunctionThatReturnsATask) {
  EXPECT_EQ(SyncWait(FromValues(1, 2, 3) | Reduce(0, AddLater)), 6);
}

TEST(Reduce, PullsNothingBeforeItIsAwaited) {
  SourceLog log;
  auto sum = CountTo(3, log) | Reduce(0, std::plus());
  EXPECT_EQ(log.produced, 0);
  EXPECT_EQ(SyncWait(std::move(sum)), 3);
}

TEST(Reduce, ThrowsTheSourcesError) {
  SourceLog log;
  EXPECT_THROW(SyncWait(CountToThenThrow(2, log) | Reduce(0, std::plus())), std::runtime_error);
}

TEST(Reduce, StopsAtTheFirstThrow) {
  SourceLog log;
  const auto refuse = [](int, int) -> int { throw std::runtime_error("no"); };
  EXPECT_THROW(SyncWait(CountTo(9, log) | Reduce(0, refuse)), std::runtime_error);
  EXPECT_EQ(log.produced, 1);
}

TEST(Reduce, StageMayBeUsedForSeveralSources) {
  const auto sum = Reduce(10, std::plus());
  EXPECT_EQ(SyncWait(FromValues(1, 2) | sum), 13);
  EXPECT_EQ(SyncWait(FromValues(3) | sum), 13);
}

TEST(Reduce, MovesItemsThatCannotBeCopied) {
  const auto add = [](int sum, std::unique_ptr<int> owner) { return sum + *owner; };
  EXPECT_EQ(SyncWait(FromValues(std::make_unique<int>(4)) | Reduce(1, add)), 5);
}

}  // namespace
}  // namespace sluice
