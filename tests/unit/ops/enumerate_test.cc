#include "pipeline/ops/enumerate.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
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

TEST(Enumerate, NumbersItemsFromZero) {
  using Lines = std::vector<Numbered<std::string>>;
  EXPECT_EQ(SyncWait(FromValues<std::string>("a", "b") | Enumerate() | Collect()),
            Lines({{0, "a"}, {1, "b"}}));
}

TEST(Enumerate, NumbersFromWhereItIsTold) {
  auto lines = FromValues('a', 'b') | Enumerate(7);
  EXPECT_EQ(Pull(lines)->index, 7U);
  EXPECT_EQ(Pull(lines)->index, 8U);
}

TEST(Enumerate, CountsBeyondThirtyTwoBits) {
  auto lines = FromValues('a', 'b') | Enumerate(UINT32_MAX);
  EXPECT_EQ(Pull(lines)->index, std::uint64_t{UINT32_MAX});
  EXPECT_EQ(Pull(lines)->index, std::uint64_t{UINT32_MAX} + 1);
}

TEST(Enumerate, StageMayBeUsedForSeveralSources) {
  const auto number = Enumerate(1);
  auto first = FromValues('a') | number;
  auto second = FromValues('b') | number;
  EXPECT_EQ(Pull(first)->index, 1U);
  EXPECT_EQ(Pull(second)->index, 1U);
}

TEST(Enumerate, ThrowsTheSourcesErrorInItsPlace) {
  SourceLog log;
  auto items = CountToThenThrow(1, log) | Enumerate();
  EXPECT_EQ(Pull(items)->value, 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Enumerate, MovesItemsThatCannotBeCopied) {
  auto owners = FromValues(std::make_unique<int>(5)) | Enumerate();
  EXPECT_EQ(*Pull(owners)->value, 5);
}

}  // namespace
}  // namespace sluice
