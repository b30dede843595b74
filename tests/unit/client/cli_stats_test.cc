#include <string>

#include "gtest/gtest.h"

#include "client/cli/stats.h"

namespace sluice::cli {
namespace {

v1::JobSummary Summary() {
  v1::JobSummary summary;
  v1::JobCounters& counters = *summary.mutable_counters();
  v1::JobCounters::Stage& walk = *counters.add_stages();
  walk.set_name("enumerate");
  walk.set_items(1234);
  walk.set_bytes(1536);
  walk.mutable_busy_time()->set_nanos(412'000'000);
  v1::JobCounters::Stage& plan = *counters.add_stages();
  plan.set_name("plan");
  plan.set_items(7);
  counters.mutable_catalog_time()->set_nanos(118'499'999);
  counters.mutable_consumer_wait_time()->set_seconds(2);
  return summary;
}

TEST(StatsText, IsARowForEachStageAndForWhatTheJobWaitedFor) {
  EXPECT_EQ(StatsText("jobs/1", Summary()),
            "cost of jobs/1\n"
            "stage               items         bytes        busy\n"
            "enumerate           1,234       1.5 KiB     0.412 s\n"
            "plan                    7           0 B\n"
            "wait for catalog  0.118 s\n"
            "wait for reader   2.000 s\n");
}

}  // namespace
}  // namespace sluice::cli
