#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

#include "client/cli/format.h"

namespace sluice::cli {
namespace {

TEST(HumanBytes, KeepsAtMostThreeDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1,023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(10 * 1024), "10 KiB");
  EXPECT_EQ(HumanBytes(std::uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(HumanBytes(std::numeric_limits<std::uint64_t>::max()), "16 EiB");
}

TEST(HumanBytes, RoundsUpIntoTheNextUnit) {
  EXPECT_EQ(HumanBytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(HumanBytes(10 * 1024 - 1), "10 KiB");
}

TEST(HumanAndExactBytes, GivesBothWhereTheyDiffer) {
  EXPECT_EQ(HumanAndExactBytes(1), "1 byte");
  EXPECT_EQ(HumanAndExactBytes(512), "512 bytes");
  EXPECT_EQ(HumanAndExactBytes(1536), "1.5 KiB (1,536 bytes)");
}

TEST(Grouped, SeparatesThousands) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
}

TEST(HumanDuration, NamesTheTwoLargestUnits) {
  google::protobuf::Duration duration;
  duration.set_nanos(400'000'000);
  EXPECT_EQ(HumanDuration(duration), "0.4 s");
  duration.set_seconds(59);
  EXPECT_EQ(HumanDuration(duration), "59 s");
  duration.set_seconds(185);
  EXPECT_EQ(HumanDuration(duration), "3 min 5 s");
  duration.set_seconds(7380);
  EXPECT_EQ(HumanDuration(duration), "2 h 3 min");
}

TEST(StateText, SaysWhatAJobWaitsFor) {
  v1::Job job;
  job.set_state(v1::JOB_STATE_RUNNING);
  EXPECT_EQ(StateText(job), "running");
  job.set_state(v1::JOB_STATE_WAITING);
  job.set_wait_reason(v1::WAIT_REASON_NO_CONSUMER);
  EXPECT_EQ(StateText(job), "waiting for a reader");
  job.set_state(v1::JOB_STATE_QUEUED);
  job.set_wait_reason(v1::WAIT_REASON_RUNNING_JOBS);
  EXPECT_EQ(StateText(job), "queued, waits for other jobs to end");
}

TEST(ProgressLine, SaysWhatIsKnownAndFitsTheWidth) {
  v1::Progress progress;
  progress.set_stage("digest");
  progress.set_items_done(1234);
  progress.set_items_total(5000);
  progress.set_bytes_done(1536);
  progress.set_items_per_second(10.4);
  progress.set_bytes_per_second(-1);  // From a clock that went backwards.
  progress.mutable_elapsed()->set_seconds(12);
  EXPECT_EQ(ProgressLine(progress, 200),
            "digest  1,234 of 5,000 items  1.5 KiB  10 items/s  0 B/s  12 s");
  EXPECT_EQ(ProgressLine(progress, 6), "digest");
}

}  // namespace
}  // namespace sluice::cli
