#include "pipeline/ops/zip.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
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

using Row = std::tuple<int, std::string>;

TEST(Zip, PairsItemsByTheirPlaces) {
  auto rows = Zip(FromValues(1, 2), FromValues<std::string>("one", "two"));
  EXPECT_EQ(SyncWait(std::move(rows) | Collect()), std::vector<Row>({{1, "one"}, {2, "two"}}));
}

TEST(Zip, TakesOneSource) {
  auto rows = Zip(FromValues(1));
  EXPECT_EQ(Pull(rows), std::tuple(1));
  EXPECT_EQ(Pull(rows), std::nullopt);
}

TEST(Zip, EndsWithTheShortestAndAsksNobodyRightOfIt) {
  SourceLog left;
  SourceLog middle;
  SourceLog right;
  auto rows = Zip(CountTo(9, left), CountTo(2, middle), CountTo(9, right));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Pull(rows), std::tuple(i, i, i));
  EXPECT_EQ(Pull(rows), std::nullopt);
  EXPECT_EQ(Pull(rows), std::nullopt);
  EXPECT_EQ(left.produced, 3);
  EXPECT_EQ(right.produced, 2);
}

TEST(Zip, PullsOneItemOfEachForARow) {
  SourceLog left;
  SourceLog right;
  auto rows = Zip(CountTo(9, left), CountTo(9, right));
  EXPECT_EQ(left.produced, 0) << "lazy";
  EXPECT_EQ(Pull(rows), std::tuple(0, 0));
  EXPECT_EQ(left.produced, 1);
  EXPECT_EQ(right.produced, 1);
}

TEST(Zip, ThrowsTheErrorOfAnySource) {
  SourceLog left;
  SourceLog right;
  auto rows = Zip(CountTo(9, left), CountToThenThrow(1, right));
  EXPECT_EQ(Pull(rows), std::tuple(0, 0));
  EXPECT_THROW(Pull(rows), std::runtime_error);
  EXPECT_EQ(Pull(rows), std::nullopt);
}

TEST(Zip, MovesItemsThatCannotBeCopied) {
  auto rows = Zip(FromValues(std::make_unique<int>(1)), FromValues(std::make_unique<int>(2)));
  const auto row = Pull(rows);
  EXPECT_EQ(*std::get<0>(*row), 1);
  EXPECT_EQ(*std::get<1>(*row), 2);
}

}  // namespace
}  // namespace sluice
