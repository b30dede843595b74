#include "server/jobs/retention.h"

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "tests/unit/jobs/job_rig.h"

namespace sluice {
namespace {

// So short that everything that has ended is old.
constexpr RetentionLimits kNothingIsKept{.job_retention = Clock::Duration(1)};
constexpr RetentionLimits kAYear{.job_retention = std::chrono::hours(24 * 365)};

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() {
    // Long names, so that the events of a scan take pages of their own in the store.
    const std::string long_name(200, 'f');
    for (int i = 0; i < 100; ++i) rig_.tree().Write(absl::StrCat(i, long_name), "content");
  }

  std::shared_ptr<Job> EndedScan() {
    auto job = Value(rig_.Start(rig_.ScanSpec()));
    rig_.Follow(job);
    return job;
  }
  void Sweep(RetentionLimits limits) {
    Retention retention(rig_.manager(), limits, rig_.executor(), rig_.clock(), [](const auto&) {});
    EXPECT_EQ(SyncWait(retention.Sweep({})), absl::OkStatus());
  }
  std::string EndedId() { return EndedScan()->id(); }

  JobRig rig_;
};

TEST_F(RetentionTest, JobsThatAreOldEnoughLoseTheirEventsAndThenThemselves) {
  const std::string id = EndedId();
  Sweep(kNothingIsKept);
  // Also ten times the retention has passed: the next round finds the job expired, and deletes it.
  Sweep(kNothingIsKept);
  EXPECT_TRUE(absl::IsNotFound(rig_.manager().Find("jobs/" + id).status()));
  EXPECT_TRUE(absl::IsNotFound(rig_.catalog().GetJob(id).status()));
}

TEST_F(RetentionTest, JobsThatAreNewStay) {
  const std::string id = EndedId();
  Sweep(kAYear);
  EXPECT_EQ(Value(rig_.catalog().ReadEvents(id, 1, 1000)).size(), 101U);
}

TEST_F(RetentionTest, JobThatIsReadIsKept) {
  const auto job = EndedScan();
  {
    const auto lease = Value(Job::ReadLease::Acquire(job));
    Sweep(kNothingIsKept);
    EXPECT_EQ(job->log().extent().oldest, 1U);
  }
  {
    const EventLog::Subscription reader(job->shared_log(), 1);
    Sweep(kNothingIsKept);
    EXPECT_EQ(job->log().extent().oldest, 1U);
  }
  Sweep({.job_retention = std::chrono::nanoseconds(1)});
  EXPECT_GT(job->log().extent().oldest, 1U);
}

TEST_F(RetentionTest, ScanThatAnUnendedJobNeedsIsKept) {
  const auto scan = EndedScan();
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(scan->Snapshot().scan());
  const auto reconcile = Value(rig_.Start(spec, "", v1::PACING_PACED_BY_CONSUMER));
  JobRig::AwaitState(*reconcile, v1::JOB_STATE_WAITING);
  Sweep(kNothingIsKept);
  EXPECT_EQ(scan->log().extent().oldest, 1U);
  const absl::Status refused = rig_.manager().Delete("jobs/" + scan->id()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
}

TEST_F(RetentionTest, TooLargeACatalogGivesUpTheOldestFirst) {
  const std::string oldest = EndedId();
  const std::string newest = EndedId();
  const std::uint64_t used = Value(rig_.catalog().UsedBytes());
  Sweep({.max_catalog_bytes = used - 1});
  EXPECT_TRUE(Value(rig_.catalog().ReadEvents(oldest, 1, 10)).empty());
  EXPECT_FALSE(Value(rig_.catalog().ReadEvents(newest, 1, 10)).empty());
  EXPECT_LT(Value(rig_.catalog().UsedBytes()), used);
}

TEST_F(RetentionTest, ExpiredScanSaysSoAndCannotBeReconciled) {
  const std::string id = EndedId();
  const auto job = Value(rig_.manager().Find("jobs/" + id));
  ASSERT_TRUE(Value(job->ExpireEvents()));
  EXPECT_TRUE(absl::IsOutOfRange(Job::ReadLease::Acquire(job).status()));
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans("scans/" + id);
  EXPECT_TRUE(absl::IsFailedPrecondition(rig_.Start(spec).status()));
}

TEST_F(RetentionTest, DeletedJobIsGoneForAllWhoLook) {
  const auto job = EndedScan();
  const std::string name = "jobs/" + job->id();
  EXPECT_EQ(Value(rig_.manager().Delete(name)).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(absl::IsNotFound(rig_.manager().Find(name).status()));
  EXPECT_TRUE(absl::IsNotFound(job->log().Read(1).status()));
  Sweep(kAYear);
  EXPECT_FALSE(Value(rig_.catalog().Purge(1)));
}

}  // namespace
}  // namespace sluice
