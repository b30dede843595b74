#include "pipeline/ops/count.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/from_values.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

TEST(Count, IsTheNumberOfItems) { EXPECT_EQ(SyncWait(FromValues('a', 'b') | Count()), 2U); }

TEST(Count, OfNothingIsZero) { EXPECT_EQ(SyncWait(FromValues<int>() | Count()), 0U); }

TEST(Count, PullsNothingBeforeItIsAwaited) {
  SourceLog log;
  auto count = CountTo(3, log) | Count();
  EXPECT_EQ(log.produced, 0);
  EXPECT_EQ(SyncWait(std::move(count)), 3U);
}

TEST(Count, ThrowsTheSourcesError) {
  SourceLog log;
  EXPECT_THROW(SyncWait(CountToThenThrow(2, log) | Count()), std::runtime_error);
}

TEST(Count, AcceptsItemsThatCannotBeCopied) {
  EXPECT_EQ(SyncWait(FromValues(std::make_unique<int>(1)) | Count()), 1U);
}

}  // namespace
}  // namespace sluice
