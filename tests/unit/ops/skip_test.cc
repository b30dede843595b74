#include "pipeline/ops/skip.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/take.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

TEST(Skip, YieldsWhatComesAfterItsCount) {
  SourceLog log;
  EXPECT_EQ(SyncWait(CountTo(5, log) | Skip(3) | Collect()), Items({3, 4}));
}

TEST(Skip, OfNothingYieldsEverything) {
  EXPECT_EQ(SyncWait(FromValues(1, 2) | Skip(0) | Collect()), Items({1, 2}));
}

TEST(Skip, OfMoreThanThereIsYieldsNothing) {
  SourceLog log;
  auto items = CountTo(3, log) | Skip(9);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Skip, FirstPullAsksForOneMoreThanItsCount) {
  SourceLog log;
  auto items = CountTo(100, log) | Skip(3);
  EXPECT_EQ(log.produced, 0) << "lazy";
  EXPECT_EQ(Pull(items), 3);
  EXPECT_EQ(log.produced, 4);
}

TEST(Skip, ThrowsAnErrorWithinWhatIsSkipped) {
  SourceLog log;
  auto items = CountToThenThrow(2, log) | Skip(3);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Skip, AndTakeGiveAPage) {
  SourceLog log;
  EXPECT_EQ(SyncWait(CountTo(100, log) | Skip(2) | Take(2) | Collect()), Items({2, 3}));
  EXPECT_EQ(log.produced, 4);
}

TEST(Skip, MovesItemsThatCannotBeCopied) {
  auto owners = FromValues(std::make_unique<int>(1), std::make_unique<int>(2)) | Skip(1);
  EXPECT_EQ(**Pull(owners), 2);
}

}  // namespace
}  // namespace sluice
