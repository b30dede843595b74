// A consumer that needs a second for each item stops a source that would need none.

#include <algorithm>
#include <chrono>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/buffer.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""s;

class Backpressure : public testing::Test {
 protected:
  static constexpr int kItems = 20;

  ~Backpressure() override {
    Started join(scope_.Join());
    executor_.RunAll();
    EXPECT_NO_THROW(join.Get());
  }

  Task<> ConsumeSlowly(AsyncGenerator<int> items) {
    while (auto item = co_await items.Next()) {
      co_await Sleep(executor_, clock_, 1s);
      ++consumed_;
    }
  }

  // How far the source was ahead at the most, looked at after every second.
  int LargestLead(AsyncGenerator<int> items) {
    int largest = 0;
    const Started consuming(ConsumeSlowly(std::move(items)));
    while (!consuming.done()) {
      executor_.RunAll();
      largest = std::max(largest, log_.produced - consumed_);
      clock_.Advance(1s);
    }
    EXPECT_EQ(consumed_, kItems);
    return largest;
  }

  ManualExecutor executor_;
  ManualClock clock_;
  JobScope scope_{executor_};
  SourceLog log_;
  int consumed_ = 0;
};

TEST_F(Backpressure, TheSourceIsNoMoreThanOneItemAheadOfASlowConsumer) {
  EXPECT_EQ(LargestLead(CountTo(kItems, log_)), 1);
}

TEST_F(Backpressure, ABufferLetsItBeAheadByItsSizeAndNoMore) {
  EXPECT_EQ(LargestLead(CountTo(kItems, log_) | Buffer(scope_, 4)), 1 + 4);
}

}  // namespace
}  // namespace sluice
