#include "pipeline/ops/concat.h"

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

TEST(Concat, YieldsOneSourceAfterTheOther) {
  EXPECT_EQ(SyncWait(Concat(FromValues(1, 2), FromValues<int>(), FromValues(3)) | Collect()),
            Items({1, 2, 3}));
}

TEST(Concat, TakesSourcesWhoseNumberIsKnownAtRunTime) {
  std::vector<AsyncGenerator<int>> sources;
  sources.reserve(4);
  for (int i = 0; i < 4; ++i) sources.push_back(FromValues(i, i));
  EXPECT_EQ(SyncWait(Concat(std::move(sources)) | Collect()), Items({0, 0, 1, 1, 2, 2, 3, 3}));
}

TEST(Concat, OfNoSourcesIsEmpty) {
  EXPECT_EQ(SyncWait(Concat(std::vector<AsyncGenerator<int>>()) | Collect()), Items());
}

TEST(Concat, DropsASourceBeforeItStartsTheNext) {
  SourceLog first;
  SourceLog second;
  auto items = Concat(CountTo(1, first), CountTo(1, second));
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(second.produced, 0);
  EXPECT_FALSE(first.dropped);
  EXPECT_EQ(Pull(items), 0);
  EXPECT_TRUE(first.dropped);
}

TEST(Concat, StartsNothingAfterAnError) {
  SourceLog first;
  SourceLog second;
  auto items = Concat(CountToThenThrow(0, first), CountTo(1, second));
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(second.produced, 0);
}

TEST(Concat, MovesItemsThatCannotBeCopied) {
  auto owners = Concat(FromValues(std::make_unique<int>(1)), FromValues(std::make_unique<int>(2)));
  EXPECT_EQ(**Pull(owners), 1);
  EXPECT_EQ(**Pull(owners), 2);
}

}  // namespace
}  // namespace sluice
