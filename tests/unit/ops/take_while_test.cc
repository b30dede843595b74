#include "pipeline/ops/take_while.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/transform.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

bool IsBelowThree(int value) { return value < 3; }

TEST(TakeWhile, EndsAtTheFirstItemThatIsNotWanted) {
  EXPECT_EQ(SyncWait(FromValues(1, 2, 3, 1) | TakeWhile(IsBelowThree) | Collect()), Items({1, 2}));
}

TEST(TakeWhile, AsksForNothingAfterTheItemThatEndsIt) {
  SourceLog log;
  auto items = CountTo(100, log) | TakeWhile(IsBelowThree);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Pull(items), i);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(log.produced, 4);
}

TEST(TakeWhile, EndsWithAShorterSource) {
  EXPECT_EQ(SyncWait(FromValues(1) | TakeWhile(IsBelowThree) | Collect()), Items({1}));
}

TEST(TakeWhile, ThrowsTheSourcesErrorInItsPlace) {
  SourceLog log;
  auto items = CountToThenThrow(1, log) | TakeWhile(IsBelowThree);
  EXPECT_EQ(Pull(items), 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(TakeWhile, MovesItemsThatCannotBeCopied) {
  auto owners = FromValues(std::make_unique<int>(1)) |
                TakeWhile([](const std::unique_ptr<int>& owner) { return *owner == 1; });
  EXPECT_EQ(**Pull(owners), 1);
}

}  // namespace
}  // namespace sluice
