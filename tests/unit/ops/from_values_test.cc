#include "pipeline/ops/from_values.h"

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

TEST(FromValues, YieldsItsArgumentsInOrder) {
  EXPECT_EQ(SyncWait(FromValues(3, 1, 2) | Collect()), std::vector<int>({3, 1, 2}));
}

TEST(FromValues, ConvertsToTheTypeThatIsNamed) {
  EXPECT_EQ(SyncWait(FromValues<std::string>("a", "b") | Collect()),
            std::vector<std::string>({"a", "b"}));
}

TEST(FromValues, OfNothingIsEmpty) {
  auto items = FromValues<int>();
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(FromValues, MovesValuesThatCannotBeCopied) {
  auto owners = FromValues(std::make_unique<int>(1), std::make_unique<int>(2));
  EXPECT_EQ(**Pull(owners), 1);
  EXPECT_EQ(**Pull(owners), 2);
  EXPECT_EQ(Pull(owners), std::nullopt);
}

TEST(FromValues, FreesWhatWasNotAskedFor) {
  auto owned = std::make_shared<int>(1);
  {
    const auto items = FromValues(owned, owned);
  }
  EXPECT_EQ(owned.use_count(), 1);
}

}  // namespace
}  // namespace sluice
