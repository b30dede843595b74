#include "pipeline/ops/distinct.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/transform.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

TEST(Distinct, DropsRepetitions) {
  EXPECT_EQ(SyncWait(FromValues(1, 2, 1, 1, 3, 2) | Distinct(9) | Collect()), Items({1, 2, 3}));
}

TEST(Distinct, RemembersOnlyTheLastKeysThatWereYielded) {
  EXPECT_EQ(SyncWait(FromValues(1, 2, 1, 3, 1, 2, 3) | Distinct(2) | Collect()),
            Items({1, 2, 3, 1, 2, 3}));
}

TEST(Distinct, RepetitionDoesNotKeepAKeyLonger) {
  EXPECT_EQ(SyncWait(FromValues(1, 2, 1, 1, 3, 1) | Distinct(2) | Collect()), Items({1, 2, 3, 1}));
}

// The oracle looks through the last `kWindow` items that it yielded itself.
TEST(Distinct, IsWhatALinearSearchWouldFind) {
  constexpr std::size_t kWindow = 7;
  std::mt19937 random(20261123);
  Items input(20'000);
  for (int& value : input) value = static_cast<int>(random() % 20);
  Items expected;
  for (const int value : input) {
    const std::size_t first = expected.size() < kWindow ? 0 : expected.size() - kWindow;
    const auto window = expected | std::views::drop(first);
    if (std::ranges::find(window, value) == window.end()) expected.push_back(value);
  }
  EXPECT_EQ(SyncWait(FromRange(input) | Distinct(kWindow) | Collect()), expected);
}

struct Entry {
  std::string path;
  std::pair<int, int> inode;
};

TEST(Distinct, ComparesByTheKeyThatItIsGiven) {
  std::vector<Entry> entries = {{"a", {1, 1}}, {"b", {1, 2}}, {"c", {1, 1}}};
  auto paths = FromRange(entries) | Distinct(9, &Entry::inode) | Transform(&Entry::path);
  EXPECT_EQ(SyncWait(std::move(paths) | Collect()), std::vector<std::string>({"a", "b"}));
}

TEST(Distinct, MovesItemsThatCannotBeCopied) {
  auto owners = FromValues(std::make_unique<int>(1), std::make_unique<int>(1)) |
                Distinct(9, [](const std::unique_ptr<int>& owner) { return *owner; });
  EXPECT_EQ(**Pull(owners), 1);
  EXPECT_EQ(Pull(owners), std::nullopt);
}

TEST(Distinct, ThrowsTheSourcesErrorInItsPlace) {
  SourceLog log;
  auto items = CountToThenThrow(1, log) | Distinct(9);
  EXPECT_EQ(Pull(items), 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Distinct, AllocatesForItsWindowOnly) {
  auto run = FromRange(std::views::iota(0, 100'000)) | Distinct(64) | Count();
  const std::uint64_t before = AllocationCount();
  EXPECT_EQ(SyncWait(std::move(run)), 100'000U);
  EXPECT_LE(AllocationCount() - before, 20U) << "ring and table have doubled a few times each";
}

}  // namespace
}  // namespace sluice
