#include "pipeline/ops/on_error.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/transform.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

absl::StatusOr<int> OddOnly(int value) {
  if (value % 2 == 0) return absl::NotFoundError(std::to_string(value));
  return value;
}

AsyncGenerator<absl::StatusOr<int>> OneToFive() {
  return FromValues(1, 2, 3, 4, 5) | Transform(OddOnly);
}

TEST(OnError, DropsAnItemForWhichTheHandlerHasNothing) {
  EXPECT_EQ(SyncWait(OneToFive() | OnError(DropErrors()) | Collect()), Items({1, 3, 5}));
}

TEST(OnError, PutsTheHandlersValueInTheItemsPlace) {
  EXPECT_EQ(SyncWait(OneToFive() | OnError(ReplaceErrors(-1)) | Collect()),
            Items({1, -1, 3, -1, 5}));
}

TEST(OnError, TellsTheHandlerTheStatus) {
  const auto handler = [](const absl::Status& status) -> std::optional<int> {
    if (status.message() == "2") return std::nullopt;
    return 40;
  };
  EXPECT_EQ(SyncWait(OneToFive() | OnError(handler) | Collect()), Items({1, 3, 40, 5}));
}

TEST(OnError, StopAtErrorEndsTheSequenceInTheItemsPlace) {
  auto items = OneToFive() | OnError(StopAtError());
  EXPECT_EQ(Pull(items), 1);
  try {
    Pull(items);
    FAIL() << "it went on";
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status(), absl::NotFoundError("2"));
  }
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(OnError, DoesNotHandleTheEndOfTheSequence) {
  SourceLog log;
  auto items = CountToThenThrow(2, log) | Transform(OddOnly) | OnError(DropErrors());
  EXPECT_EQ(Pull(items), 1);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(OnError, ConvertsAReplacementToTheItemsType) {
  std::vector<absl::StatusOr<std::string>> texts = {absl::NotFoundError("no text")};
  auto items = FromRange(std::move(texts)) | OnError(ReplaceErrors("none"));
  EXPECT_EQ(Pull(items), "none");
}

TEST(OnError, MovesItemsThatCannotBeCopied) {
  auto owners = FromValues(absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(1))) |
                OnError(DropErrors());
  EXPECT_EQ(**Pull(owners), 1);
}

}  // namespace
}  // namespace sluice
