#include "pipeline/ops/inspect.h"

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

TEST(Inspect, ShowsEveryItemAndPassesItOn) {
  Items seen;
  auto items = FromValues(1, 2) | Inspect([&seen](const int& value) { seen.push_back(value); });
  EXPECT_EQ(SyncWait(std::move(items) | Collect()), Items({1, 2}));
  EXPECT_EQ(seen, Items({1, 2}));
}

TEST(Inspect, LooksAtAnItemWhenItIsPulled) {
  Items seen;
  auto items = FromValues(1, 2) | Inspect([&seen](int value) { seen.push_back(value); });
  EXPECT_EQ(seen, Items()) << "lazy";
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(seen, Items({1}));
}

TEST(Inspect, ThrowsWhatTheFunctionThrowsInItsItemsPlace) {
  SourceLog log;
  auto items = CountTo(9, log) | Inspect([](int value) {
                 if (value == 1) throw std::runtime_error("one");
               });
  EXPECT_EQ(Pull(items), 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(log.produced, 2);
}

TEST(Inspect, MovesItemsThatCannotBeCopied) {
  int seen = 0;
  auto owners = FromValues(std::make_unique<int>(3)) |
                Inspect([&seen](const std::unique_ptr<int>& owner) { seen = *owner; });
  EXPECT_EQ(**Pull(owners), 3);
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace sluice
