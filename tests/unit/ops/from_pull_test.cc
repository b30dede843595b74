#include "pipeline/ops/from_pull.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/take.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

using Items = std::vector<int>;

// What a reader of some other library looks like.
class Countdown final {
 public:
  explicit Countdown(int from) : left_(from) {}
  std::optional<int> Next() {
    ++calls_;
    if (left_ == 0) return std::nullopt;
    return left_--;
  }
  Task<std::optional<int>> NextLater() { co_return Next(); }
  int calls() const { return calls_; }

 private:
  int left_;
  int calls_ = 0;
};

TEST(FromPull, YieldsWhatTheFunctionReturnsUntilNothing) {
  Countdown reader(3);
  EXPECT_EQ(SyncWait(FromPull([&reader] { return reader.Next(); }) | Collect()), Items({3, 2, 1}));
}

TEST(FromPull, AwaitsAFunctionThatReturnsATask) {
  Countdown reader(3);
  EXPECT_EQ(SyncWait(FromPull([&reader] { return reader.NextLater(); }) | Collect()),
            Items({3, 2, 1}));
}

TEST(FromPull, CallsOnceForEachItemAndOnceForTheEnd) {
  Countdown reader(1);
  auto items = FromPull([&reader] { return reader.Next(); });
  EXPECT_EQ(reader.calls(), 0) << "lazy";
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(reader.calls(), 1);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(reader.calls(), 2);
}

TEST(FromPull, KeepsAFunctionThatHasStateAndCannotBeCopied) {
  auto next = [owner = std::make_unique<int>(0)]() mutable -> std::optional<int> {
    return ++*owner;
  };
  EXPECT_EQ(SyncWait(FromPull(std::move(next)) | Take(3) | Collect()), Items({1, 2, 3}));
}

TEST(FromPull, ThrowsWhatTheFunctionThrows) {
  auto items = FromPull([]() -> std::optional<int> { throw std::runtime_error("broken"); });
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
}

TEST(FromPull, YieldsItemsThatCannotBeCopied) {
  auto owners = FromPull([] { return std::optional(std::make_unique<int>(5)); });
  EXPECT_EQ(**Pull(owners), 5);
}

}  // namespace
}  // namespace sluice
