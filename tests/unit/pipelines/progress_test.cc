// A wrapper that passes items on and says, now and then, how far it has come.

#include "pipeline/ops/progress.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/collect.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// What somebody who waits would read.
std::string Line(const ProgressReport& report) {
  return std::string(report.label) + ": " + std::to_string(report.items) +
         (report.last ? ", done" : "");
}

class ProgressWrapper : public testing::Test {
 protected:
  // Every item takes 100 ms.
  AsyncGenerator<int> Work(int items) {
    for (int i = 0; i < items; ++i) {
      clock_.Advance(100ms);
      co_yield i;
    }
  }

  AsyncGenerator<int> WithProgress(AsyncGenerator<int> source) {
    return std::move(source) |
           Progress(clock_, {.label = "copied", .interval = 1s},
                    [this](const ProgressReport& report) { lines_.push_back(Line(report)); });
  }

  ManualClock clock_;
  std::vector<std::string> lines_;
};

TEST_F(ProgressWrapper, SaysHowFarItIsOnceASecondAndAtTheEnd) {
  EXPECT_EQ(SyncWait(WithProgress(Work(25)) | Collect()).size(), 25U);
  EXPECT_EQ(lines_, std::vector<std::string>({"copied: 10", "copied: 20", "copied: 25, done"}));
}

TEST_F(ProgressWrapper, LeavesTheItemsAsTheyAre) {
  auto items = WithProgress(Work(2));
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(Pull(items), std::nullopt);
}

}  // namespace
}  // namespace sluice
