#include "server/jobs/job_manager.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/jobs/job_lists.h"
#include "server/jobs/scan_job.h"
#include "tests/unit/jobs/job_rig.h"

namespace sluice {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr char kRequestId[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

template <typename Detail>
Detail DetailOf(const absl::Status& status) {
  Detail detail;
  const auto payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  EXPECT_TRUE(payload.has_value()) << status;
  if (payload) EXPECT_TRUE(detail.ParseFromString(std::string(*payload)));
  return detail;
}

TEST(JobManager, ScanRecordsEveryFileInOrderWithoutGaps) {
  JobRig rig;
  for (int i = 0; i < 1000; ++i) rig.tree().Write(absl::StrCat("d", i % 7, "/f", i), "x");
  const std::vector<v1::JobEvent> events = rig.RunToEnd(rig.ScanSpec(v1::DIGEST_POLICY_ALL));
  ASSERT_EQ(events.size(), 1001U);
  std::set<std::string> paths;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence(), i + 1);
    if (events[i].has_file()) {
      paths.insert(events[i].file().path());
      EXPECT_EQ(events[i].file().digest().substr(0, 7), "sha256:");
    }
  }
  EXPECT_EQ(paths.size(), 1000U);
  EXPECT_EQ(events.back().state_change().state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(JobManager, ReconcileOfAScanPlansItsDuplicates) {
  JobRig rig;
  rig.tree().Write("a", "the same content");
  rig.tree().Write("b", "the same content");
  rig.tree().Write("c", "other content!!!");
  const auto scan = Value(rig.Start(rig.ScanSpec()));
  rig.Follow(scan);
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(scan->Snapshot().scan());
  const std::vector<v1::JobEvent> events = rig.RunToEnd(spec);
  ASSERT_EQ(events.size(), 2U);
  const v1::ReconciliationPlan& plan = events[0].plan();
  EXPECT_EQ(plan.copies_size(), 2);
  EXPECT_EQ(plan.size(), 16U);
  EXPECT_EQ(plan.copies(0).scan(), scan->Snapshot().scan());
  EXPECT_EQ(plan.copies(0).host(), "host");
  EXPECT_FALSE(plan.reason().empty());
}

TEST(JobManager, PacedJobStaysWithinItsWindow) {
  JobRig rig;
  for (int i = 0; i < 500; ++i) rig.tree().Write(absl::StrCat("f", i));
  v1::JobSpec spec = rig.ScanSpec();
  spec.set_window(40);
  const auto job = Value(rig.Start(spec, "", v1::PACING_PACED_BY_CONSUMER));
  JobRig::AwaitState(*job, v1::JOB_STATE_WAITING);
  EXPECT_LE(job->counters().enumerate.items.load(), 40U);
  EXPECT_EQ(rig.Follow(job).size(), 501U);
}

TEST(JobManager, CancellingAWaitingJobEndsIt) {
  JobRig rig;
  for (int i = 0; i < 50; ++i) rig.tree().Write(absl::StrCat("f", i));
  v1::JobSpec spec = rig.ScanSpec();
  spec.set_window(4);
  const auto job = Value(rig.Start(spec, "", v1::PACING_PACED_BY_CONSUMER));
  JobRig::AwaitState(*job, v1::JOB_STATE_WAITING);
  const std::string name = job->Snapshot().name();
  EXPECT_THAT(Value(rig.manager().Cancel(name)).state(),
              AnyOf(v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED));
  JobRig::AwaitState(*job, v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Value(rig.manager().Cancel(name)).state(), v1::JOB_STATE_CANCELLED);
}

// Hours of reading, without a byte on the disk.
void WriteEndlessFile(const JobRig& rig, const std::string& name) {
  constexpr std::uintmax_t kBytes = std::uintmax_t{4} << 40;
  std::filesystem::resize_file(rig.tree().Write(name), kBytes);
}

TEST(JobManager, CancelEndsAScanInTheMiddleOfALargeFile) {
  JobRig rig;
  WriteEndlessFile(rig, "large");
  const auto job = Value(rig.Start(rig.ScanSpec(v1::DIGEST_POLICY_ALL)));
  while (job->counters().enumerate.items.load() == 0) std::this_thread::yield();
  ASSERT_TRUE(rig.manager().Cancel(job->Snapshot().name()).ok());
  JobRig::AwaitState(*job, v1::JOB_STATE_CANCELLED);
}

TEST(JobManager, CancelEndsAReconcileInTheMiddleOfALargeFile) {
  JobRig rig;
  WriteEndlessFile(rig, "a");
  WriteEndlessFile(rig, "b");
  const auto scan = Value(rig.Start(rig.ScanSpec()));
  rig.Follow(scan);
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(scan->Snapshot().scan());
  const auto job = Value(rig.Start(spec));
  // Prefixes and suffixes are read: what is left is to read them whole.
  while (job->counters().digest.items.load() < 4) std::this_thread::yield();
  ASSERT_TRUE(rig.manager().Cancel(job->Snapshot().name()).ok());
  JobRig::AwaitState(*job, v1::JOB_STATE_CANCELLED);
}

TEST(JobManager, SameRequestIdIsCarriedOutOnce) {
  JobRig rig;
  const auto first = Value(rig.Start(rig.ScanSpec(), kRequestId));
  const auto second = Value(rig.Start(rig.ScanSpec(), kRequestId));
  EXPECT_EQ(first->id(), second->id());
  const absl::Status other = rig.Start(rig.ScanSpec(v1::DIGEST_POLICY_ALL), kRequestId).status();
  EXPECT_TRUE(absl::IsAlreadyExists(other)) << other;
  rig.Follow(first);
  rig.Restart();
  EXPECT_EQ(Value(rig.Start(rig.ScanSpec(), kRequestId))->id(), first->id());
}

TEST(JobManager, JobsBeyondTheLimitsAreRefusedWithAQuotaFailure) {
  JobRig rig({.max_running_jobs = 1, .max_queued_jobs = 1});
  rig.tree().Write("f");
  const auto job = Value(rig.Start(rig.ScanSpec(), "", v1::PACING_PACED_BY_CONSUMER));
  const auto queued = Value(rig.Start(rig.ScanSpec()));
  EXPECT_EQ(queued->state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(queued->Snapshot().wait_reason(), v1::WAIT_REASON_RUNNING_JOBS);
  const absl::Status refused = rig.Start(rig.ScanSpec()).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(refused).violations(0).subject(),
            "max_queued_jobs");
  EXPECT_GT(DetailOf<google::rpc::RetryInfo>(refused).retry_delay().seconds(), 0);
}

TEST(JobManager, QueuedJobsStartByPriorityAndThenByAge) {
  JobRig rig({.max_running_jobs = 1});
  rig.tree().Write("f");
  const auto first = Value(rig.Start(rig.ScanSpec(), "", v1::PACING_PACED_BY_CONSUMER));
  std::vector<std::shared_ptr<Job>> queued;
  for (const int priority : {0, 0, 7, -3, 7}) {
    v1::JobSpec spec = rig.ScanSpec();
    spec.set_priority(priority);
    queued.push_back(Value(rig.Start(spec)));
  }
  rig.Follow(first);
  for (const auto& job : queued) rig.Follow(job);
  const auto started = [&](int i) { return FromTimestamp(queued[i]->Snapshot().start_time()); };
  EXPECT_LE(started(2), started(4));
  EXPECT_LE(started(4), started(0));
  EXPECT_LE(started(0), started(1));
  EXPECT_LE(started(1), started(3));
}

TEST(JobManager, TooManyItemErrorsFailTheJob) {
  JobRig rig;
  rig.tree().Write("a", "12345");
  rig.tree().Write("b", "12345");
  const auto scan = Value(rig.Start(rig.ScanSpec()));
  rig.Follow(scan);
  rig.tree().Remove("a");
  rig.tree().Remove("b");
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(scan->Snapshot().scan());
  spec.set_max_item_errors(1);
  const auto job = Value(rig.Start(spec));
  const std::vector<v1::JobEvent> events = rig.Follow(job);
  EXPECT_EQ(events.back().state_change().state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job->Snapshot().error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(job->Snapshot().counters().errors(), 2U);
}

TEST(JobManager, ListIsNewestFirstFilteredAndStableUnderInserts) {
  JobRig rig;
  std::vector<std::string> started;
  for (int i = 0; i < 5; ++i) {
    v1::JobSpec spec = rig.ScanSpec();
    (*spec.mutable_labels())["parity"] = i % 2 == 0 ? "even" : "odd";
    const auto job = Value(rig.Start(spec));
    rig.Follow(job);
    started.push_back(job->Snapshot().name());
  }
  const std::string filter = "state=SUCCEEDED AND kind=scan AND labels.parity=even";
  const auto first = Value(ListJobs(rig.manager().table(), 2, "", filter));
  ASSERT_EQ(first.jobs.size(), 2U);
  EXPECT_EQ(first.jobs[0].name(), started[4]);
  EXPECT_EQ(first.jobs[1].name(), started[2]);
  rig.RunToEnd(rig.ScanSpec());
  const auto second = Value(ListJobs(rig.manager().table(), 2, first.next_page_token, filter));
  ASSERT_EQ(second.jobs.size(), 1U);
  EXPECT_EQ(second.jobs[0].name(), started[0]);
  EXPECT_EQ(second.next_page_token, "");
  EXPECT_TRUE(absl::IsInvalidArgument(
      ListJobs(rig.manager().table(), 2, first.next_page_token, "kind=scan").status()));
}

TEST(JobManager, ScanIsItsJobSeenFromTheResult) {
  JobRig rig;
  rig.tree().Write("f", "1234");
  const auto job = Value(rig.Start(rig.ScanSpec()));
  rig.Follow(job);
  const v1::Scan scan =
      ScanOfJob(Value(FindScan(rig.manager().table(), job->Snapshot().scan()))->Snapshot(), "host");
  EXPECT_EQ(scan.state(), v1::Scan::STATE_COMPLETE);
  EXPECT_EQ(scan.file_count(), 1U);
  EXPECT_EQ(scan.total_bytes(), 4U);
  EXPECT_EQ(Value(ListScans(rig.manager().table(), "host", 0, "")).scans.size(), 1U);
}

TEST(JobManager, EveryWrongFieldIsNamed) {
  JobRig rig;
  v1::JobSpec spec = rig.ScanSpec();
  v1::ScanSpec& scan = *spec.mutable_scan();
  scan.add_roots("relative");
  scan.add_roots(rig.tree().root() + "/below");
  scan.add_include("[");
  scan.set_min_size(2);
  scan.set_max_size(1);
  scan.set_max_depth(0);
  scan.set_read_threads(65);
  scan.set_digest_policy(static_cast<v1::DigestPolicy>(77));
  scan.set_digest_algorithm(static_cast<v1::DigestAlgorithm>(77));
  scan.add_types(v1::FILE_TYPE_UNSPECIFIED);
  spec.set_window(70'000);
  const absl::Status status = rig.Start(spec).status();
  std::set<std::string> fields;
  const auto detail = DetailOf<google::rpc::BadRequest>(status);
  for (const auto& violation : detail.field_violations()) {
    fields.insert(violation.field());
  }
  EXPECT_EQ(fields, (std::set<std::string>{"spec.scan.roots[1]", "spec.scan.roots[2]",
                                           "spec.scan.include[0]", "spec.scan.min_size",
                                           "spec.scan.max_depth", "spec.scan.read_threads",
                                           "spec.scan.digest_policy", "spec.scan.digest_algorithm",
                                           "spec.scan.types[0]", "spec.window"}));
}

TEST(JobManager, RootOutsideTheAllowedOnesIsDeniedWhetherItExistsOrNot) {
  JobRig rig;
  for (const std::string root : {"/etc", "/does/not/exist", "/"}) {
    v1::JobSpec spec;
    spec.mutable_scan()->add_roots(root);
    const absl::Status status = rig.Start(spec).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << root << ": " << status;
    EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status).reason(), "ROOT_NOT_ALLOWED");
  }
}

TEST(JobManager, RootsThatAreMissingFilesOrLinksAreToldApart) {
  JobRig rig;
  rig.tree().Write("file");
  rig.tree().MakeSymlink("link", "/etc");
  const auto start = [&](const std::string& name) {
    v1::JobSpec spec;
    spec.mutable_scan()->add_roots(rig.tree().Path(name));
    return rig.Start(spec).status();
  };
  EXPECT_TRUE(absl::IsNotFound(start("missing")));
  EXPECT_TRUE(absl::IsFailedPrecondition(start("file")));
  EXPECT_TRUE(absl::IsFailedPrecondition(start("link")));
  EXPECT_TRUE(absl::IsFailedPrecondition(start("link/passwd")));
}

TEST(JobManager, ReconcileNeedsScansThatAreComplete) {
  JobRig rig;
  rig.tree().Write("f");
  const auto waiting = Value(rig.Start(rig.ScanSpec(), "", v1::PACING_PACED_BY_CONSUMER));
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(waiting->Snapshot().scan());
  const absl::Status status = rig.Start(spec).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  spec.mutable_reconcile()->set_scans(0, "scans/00000000-0000-7000-8000-000000000000");
  EXPECT_TRUE(absl::IsNotFound(rig.Start(spec).status()));
  spec.mutable_reconcile()->set_scans(0, "nonsense");
  EXPECT_THAT(std::string(rig.Start(spec).status().message()), HasSubstr("scans/{id}"));
}

TEST(JobManager, NothingStartsOnceItDrains) {
  JobRig rig;
  rig.manager().Drain();
  EXPECT_TRUE(absl::IsUnavailable(rig.Start(rig.ScanSpec()).status()));
}

}  // namespace
}  // namespace sluice
