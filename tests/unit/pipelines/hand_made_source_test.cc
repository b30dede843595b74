// How a stage is tested: with a generator that is made by hand, in place of a disk or a network.
// No framework, no mock: a coroutine that yields what the test needs, and breaks where it needs it.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

// The stage under test: puts lines that end in a backslash together with those that follow.
// Memory: one line that was put together.
AsyncGenerator<std::string> JoinContinuedLines(AsyncGenerator<std::string> lines) {
  std::string joined;
  while (auto line = co_await lines.Next()) {
    joined += *line;
    if (joined.ends_with('\\')) {
      joined.pop_back();
    } else {
      co_yield std::exchange(joined, {});
    }
  }
  if (!joined.empty()) co_yield std::move(joined);
}

// What the test sees of its source.
struct Seen {
  std::vector<std::string> asked_for;
  std::shared_ptr<bool> alive = std::make_shared<bool>();
};

AsyncGenerator<std::string> Lines(std::vector<std::string> lines, Seen& seen,
                                  absl::Status end = absl::OkStatus()) {
  const std::shared_ptr<bool> alive = seen.alive;
  for (const std::string& line : lines) {
    seen.asked_for.push_back(line);
    co_yield line;
  }
  ThrowIfError(end);
}

using Strings = std::vector<std::string>;

TEST(JoinContinuedLines, JoinsALineThatEndsInABackslashWithTheNext) {
  Seen seen;
  EXPECT_EQ(SyncWait(JoinContinuedLines(Lines({"a", "b\\", "c\\", "d", "e\\"}, seen)) | Collect()),
            Strings({"a", "bcd", "e"}));
}

TEST(JoinContinuedLines, AsksForNoLineBeyondTheOneItYields) {
  Seen seen;
  auto joined = JoinContinuedLines(Lines({"a\\", "b", "c"}, seen));
  EXPECT_TRUE(seen.asked_for.empty()) << "lazy";
  EXPECT_EQ(Pull(joined), "ab");
  EXPECT_EQ(seen.asked_for, Strings({"a\\", "b"}));
}

TEST(JoinContinuedLines, PassesTheErrorOfItsSourceOn) {
  Seen seen;
  auto joined = JoinContinuedLines(Lines({"a"}, seen, absl::DataLossError("disk")));
  EXPECT_EQ(Pull(joined), "a");
  EXPECT_THROW(Pull(joined), StatusError);
  EXPECT_EQ(Pull(joined), std::nullopt);
}

TEST(JoinContinuedLines, DropsItsSourceWhenItIsDropped) {
  Seen seen;
  {
    auto joined = JoinContinuedLines(Lines({"a", "b"}, seen));
    EXPECT_EQ(Pull(joined), "a");
    EXPECT_EQ(seen.alive.use_count(), 2);
  }
  EXPECT_EQ(seen.alive.use_count(), 1);
}

}  // namespace
}  // namespace sluice
