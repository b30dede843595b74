#include "pipeline/ops/progress.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/from_range.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

class ProgressTest : public testing::Test {
 protected:
  AsyncGenerator<int> Watch(AsyncGenerator<int> source) {
    const auto record = [this](const ProgressReport& report) {
      labels_.emplace_back(report.label);
      reports_.push_back(report);
    };
    return std::move(source) | Progress(clock_, {.label = "scan", .interval = 1s}, record,
                                        [](int value) { return std::uint64_t(value) * 10; });
  }

  ManualClock clock_;
  SourceLog log_;
  std::vector<std::string> labels_;
  std::vector<ProgressReport> reports_;
};

TEST_F(ProgressTest, ReportsAtTheFirstItemAfterAnInterval) {
  auto items = Watch(CountTo(9, log_));
  EXPECT_EQ(Pull(items), 0);
  clock_.Advance(999ms);
  EXPECT_EQ(Pull(items), 1);
  EXPECT_TRUE(reports_.empty());
  clock_.Advance(1ms);
  EXPECT_TRUE(reports_.empty()) << "driven by items";
  EXPECT_EQ(Pull(items), 2);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_FALSE(reports_[0].last);
  EXPECT_EQ(labels_[0], "scan");
}

TEST_F(ProgressTest, ReportsTotalsAndMeanRates) {
  auto items = Watch(CountTo(9, log_));
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(Pull(items), 1);
  clock_.Advance(2s);
  EXPECT_EQ(Pull(items), 2);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].items, 3U);
  EXPECT_EQ(reports_[0].bytes, 30U);
  EXPECT_EQ(reports_[0].elapsed, 2s);
  EXPECT_DOUBLE_EQ(reports_[0].items_per_second, 1.5);
  EXPECT_DOUBLE_EQ(reports_[0].bytes_per_second, 15);
}

TEST_F(ProgressTest, CountsAnIntervalFromTheLastReport) {
  auto items = Watch(CountTo(9, log_));
  EXPECT_EQ(Pull(items), 0);
  clock_.Advance(5s);  // A source that was silent for five intervals is reported once.
  EXPECT_EQ(Pull(items), 1);
  EXPECT_EQ(Pull(items), 2);
  EXPECT_EQ(reports_.size(), 1U);
  clock_.Advance(1s);
  EXPECT_EQ(Pull(items), 3);
  EXPECT_EQ(reports_.size(), 2U);
}

TEST_F(ProgressTest, ReportsOnceMoreAtTheEnd) {
  auto items = Watch(CountTo(1, log_));
  EXPECT_EQ(Pull(items), 0);
  EXPECT_EQ(Pull(items), std::nullopt);
  EXPECT_EQ(Pull(items), std::nullopt);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_TRUE(reports_[0].last);
  EXPECT_EQ(reports_[0].items, 1U);
  EXPECT_EQ(reports_[0].items_per_second, 0) << "no time has passed";
}

TEST_F(ProgressTest, ReportsBeforeItThrowsTheSourcesError) {
  auto items = Watch(CountToThenThrow(1, log_));
  EXPECT_EQ(Pull(items), 0);
  EXPECT_THROW(Pull(items), std::runtime_error);
  EXPECT_EQ(Pull(items), std::nullopt);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_TRUE(reports_[0].last);
}

TEST_F(ProgressTest, SaysNothingWhenItIsDropped) {
  {
    auto items = Watch(CountTo(9, log_));
    EXPECT_EQ(Pull(items), 0);
  }
  EXPECT_TRUE(log_.dropped);
  clock_.Advance(2s);
  EXPECT_TRUE(reports_.empty());
}

TEST_F(ProgressTest, TimeRunsFromTheFirstPull) {
  auto items = Watch(CountTo(9, log_));
  clock_.Advance(5s);
  EXPECT_EQ(Pull(items), 0);
  EXPECT_TRUE(reports_.empty());
}

TEST_F(ProgressTest, LongestIntervalReportsOnlyTheEnd) {
  int reports = 0;
  const auto count = [&reports](const ProgressReport& report) {
    EXPECT_EQ(report.bytes, 0U) << "nobody says what an item weighs";
    ++reports;
  };
  auto items =
      CountTo(9, log_) | Progress(clock_, {.label = "", .interval = Clock::Duration::max()}, count);
  EXPECT_EQ(SyncWait(std::move(items) | Count()), 9U);
  EXPECT_EQ(reports, 1);
}

TEST_F(ProgressTest, AllocatesNothingForAnItem) {
  auto run = Watch(FromRange(std::views::iota(0, 10'000))) | Count();
  labels_.reserve(1);
  reports_.reserve(1);
  const std::uint64_t before = AllocationCount();
  EXPECT_EQ(SyncWait(std::move(run)), 10'000U);
  EXPECT_LE(AllocationCount() - before, 4U) << "the frame of SyncWait, and the alarm's entry";
}

}  // namespace
}  // namespace sluice
