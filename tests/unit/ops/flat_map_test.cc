#include "pipeline/ops/flat_map.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_values.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

AsyncGenerator<int> Repeat(int value) {
  for (int i = 0; i < value; ++i) co_yield value;
}

TEST(FlatMap, YieldsAllOfOneItemBeforeTheNext) {
  EXPECT_EQ(SyncWait(FromValues(2, 0, 3) | FlatMap(Repeat) | Collect()), Items({2, 2, 3, 3, 3}));
}

TEST(FlatMap, AsksForAnItemOnlyWhenTheLastOneIsUsedUp) {
  SourceLog log;
  auto items = CountTo(9, log) | FlatMap([](int value) { return FromValues(value, value); });
  EXPECT_EQ(log.produced, 0) << "lazy";
  for (const int expected : {0, 0}) EXPECT_EQ(Pull(items), expected);
  EXPECT_EQ(log.produced, 1);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(log.produced, 2);
}

TEST(FlatMap, DropsAGeneratorBeforeItAsksForTheNextItem) {
  SourceLog inner;
  auto check = [&inner](int value) {
    if (value == 1) EXPECT_TRUE(inner.dropped);
    return CountTo(1, inner);
  };
  EXPECT_EQ(SyncWait(FromValues(0, 1) | FlatMap(check) | Collect()), Items({0, 0}));
}

TEST(FlatMap, ThrowsTheErrorOfAGeneratorInItsPlace) {
  SourceLog log;
  SourceLog inner;
  auto items = CountTo(9, log) | FlatMap([&inner](int) { return CountToThenThrow(1, inner); });
  EXPECT_EQ(Pull(items), 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(log.produced, 1);
}

AsyncGenerator<int> TwiceOf(const std::unique_ptr<int>& owner) {
  co_yield *owner;
  co_yield *owner;
}

TEST(FlatMap, KeepsAnItemThatIsTakenByReferenceAsLongAsItsGenerator) {
  auto items = FromValues(std::make_unique<int>(4), std::make_unique<int>(5)) | FlatMap(TwiceOf);
  EXPECT_EQ(SyncWait(std::move(items) | Collect()), Items({4, 4, 5, 5}));
}

TEST(FlatMap, DroppedHalfwayDropsGeneratorAndSource) {
  SourceLog log;
  SourceLog inner;
  {
    auto items = CountTo(9, log) | FlatMap([&inner](int) { return CountTo(9, inner); });
    EXPECT_EQ(Pull(items), 0);
  }
  EXPECT_TRUE(inner.dropped);
  EXPECT_TRUE(log.dropped);
}

}  // namespace
}  // namespace sluice
