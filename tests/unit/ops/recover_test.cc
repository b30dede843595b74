#include "pipeline/ops/recover.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_values.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

AsyncGenerator<int> OneThenThrow(absl::Status status) {
  co_yield 1;
  ThrowIfError(status);
}

AsyncGenerator<int> GoOnFrom(const absl::Status& status) {
  EXPECT_EQ(status, absl::UnavailableError("gone"));
  return FromValues(2, 3);
}

TEST(Recover, GoesOnWithTheHandlersGenerator) {
  auto items = OneThenThrow(absl::UnavailableError("gone")) | Recover(GoOnFrom);
  EXPECT_EQ(SyncWait(std::move(items) | Collect()), Items({1, 2, 3}));
}

TEST(Recover, IsNotCalledForASourceThatEnds) {
  const auto handler = [](const absl::Status&) {
    ADD_FAILURE() << "nothing to recover from";
    return FromValues<int>();
  };
  EXPECT_EQ(SyncWait(FromValues(1, 2) | Recover(handler) | Collect()), Items({1, 2}));
}

TEST(Recover, NeverRecoversFromCancelled) {
  auto items = OneThenThrow(absl::CancelledError()) | Recover(GoOnFrom);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_THROW(Pull(items), Cancelled);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Recover, HandlerMayRethrowTheVeryException) {
  SourceLog log;
  auto items = CountToThenThrow(0, log) | Recover([](const absl::Status& status) {
                 EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
                 if (!absl::IsUnavailable(status)) throw;
                 return FromValues<int>();
               });
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Recover, DropsTheSourceBeforeItGoesOn) {
  SourceLog log;
  auto items =
      CountToThenThrow(1, log) | Recover([](const absl::Status&) { return FromValues(7); });
  EXPECT_EQ(Pull(items), 0);
  EXPECT_FALSE(log.dropped);
  EXPECT_EQ(Pull(items), 7);
  EXPECT_TRUE(log.dropped);
}

TEST(Recover, RecoversOnce) {
  SourceLog log;
  auto items = CountToThenThrow(1, log) |
               Recover([&log](const absl::Status&) { return CountToThenThrow(1, log); });
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(Pull(items), 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(Recover, MovesItemsThatCannotBeCopied) {
  auto owners = FromValues(std::make_unique<int>(1)) |
                Recover([](const absl::Status&) { return FromValues<std::unique_ptr<int>>(); });
  EXPECT_EQ(**Pull(owners), 1);
}

}  // namespace
}  // namespace sluice
