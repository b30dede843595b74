#include "pipeline/ops/group_adjacent.h"

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_values.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;
using Groups = std::vector<AdjacentGroup<int>>;

bool SameTens(int previous, int next) { return previous / 10 == next / 10; }

TEST(GroupAdjacent, GathersNeighboursThatBelongTogether) {
  auto groups = FromValues(1, 2, 11, 3, 21, 22) | GroupAdjacent(SameTens, 9);
  EXPECT_EQ(SyncWait(std::move(groups) | Collect()),
            Groups({{{1, 2}, true}, {{11}, true}, {{3}, true}, {{21, 22}, true}}));
}

TEST(GroupAdjacent, OfNothingIsEmpty) {
  EXPECT_EQ(SyncWait(FromValues<int>() | GroupAdjacent(SameTens, 9) | Collect()), Groups());
}

TEST(GroupAdjacent, ComparesAnItemWithTheOneBeforeIt) {
  const auto ascends = [](int previous, int next) { return previous < next; };
  auto groups = FromValues(1, 5, 7, 6, 8) | GroupAdjacent(ascends, 9);
  EXPECT_EQ(SyncWait(std::move(groups) | Collect()), Groups({{{1, 5, 7}, true}, {{6, 8}, true}}));
}

TEST(GroupAdjacent, PassesALongRunInPartsOfWhichOnlyTheLastIsComplete) {
  auto groups = FromValues(1, 2, 3, 4, 5, 11) | GroupAdjacent(SameTens, 2);
  EXPECT_EQ(SyncWait(std::move(groups) | Collect()),
            Groups({{{1, 2}, false}, {{3, 4}, false}, {{5}, true}, {{11}, true}}));
}

TEST(GroupAdjacent, RunOfExactlyTheLimitIsComplete) {
  auto groups = FromValues(1, 2, 11, 12) | GroupAdjacent(SameTens, 2);
  EXPECT_EQ(SyncWait(std::move(groups) | Collect()), Groups({{{1, 2}, true}, {{11, 12}, true}}));
}

TEST(GroupAdjacent, IsNeverFurtherAheadThanTheLimitAndOne) {
  SourceLog log;
  auto groups = CountTo(100, log) | GroupAdjacent([](int, int) { return true; }, 3);
  EXPECT_EQ(log.produced, 0) << "lazy";
  for (int handed_over = 0; handed_over < 30; handed_over += 3) {
    EXPECT_EQ(Pull(groups)->items.front(), handed_over);
    EXPECT_EQ(log.produced, handed_over + 4);
  }
}

TEST(GroupAdjacent, YieldsWhatCameBeforeAnErrorAsIncomplete) {
  SourceLog log;
  auto groups = CountToThenThrow(2, log) | GroupAdjacent(SameTens, 9);
  EXPECT_EQ(Pull(groups), (AdjacentGroup<int>{{0, 1}, false}));
  EXPECT_THROW(Pull(groups), std::runtime_error);
  EXPECT_EQ(Pull(groups), std::nullopt);
}

TEST(GroupAdjacent, YieldsWhatCameBeforeAThrowOfTheComparison) {
  SourceLog log;
  auto groups =
      CountTo(9, log) |
      GroupAdjacent(
          [](int, int next) { return next == 2 ? throw std::runtime_error("two") : true; }, 9);
  EXPECT_EQ(Pull(groups), (AdjacentGroup<int>{{0, 1}, false}));
  EXPECT_THROW(Pull(groups), std::runtime_error);
  EXPECT_EQ(Pull(groups), std::nullopt);
}

TEST(GroupAdjacent, MovesItemsThatCannotBeCopied) {
  auto groups = FromValues(std::make_unique<int>(1), std::make_unique<int>(2)) |
                GroupAdjacent(std::not_equal_to<>(), 9);
  EXPECT_EQ(Pull(groups)->items.size(), 2U);
}

}  // namespace
}  // namespace sluice
