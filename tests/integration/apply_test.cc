// Plans carried out and undone, over real gRPC.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/async/status_error.h"
#include "tests/integration/server_rig.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr int kCopies = 20;

class ApplyService : public testing::Test {
 protected:
  ApplyService() {
    for (int i = 0; i < kCopies; ++i) rig_.tree().Write(Name(i), "the same content");
    const v1::Job scan = Run(rig_.ScanRequest().spec());
    v1::JobSpec spec;
    spec.mutable_reconcile()->add_scans(scan.scan());
    reconcile_ = Run(spec);
  }

  static std::string Name(int i) { return absl::StrCat("f", i); }

  // Runs a job to its end: the job as it is then, and its events.
  v1::Job Run(v1::JobSpec spec, std::vector<v1::JobEvent>* events = nullptr) {
    v1::RunJobRequest request;
    *request.mutable_spec() = std::move(spec);
    auto stream = rig_.client().Run(request);
    const std::vector<v1::EventBatch> batches = PullAll(stream);
    if (events != nullptr) *events = EventsOf(batches);
    v1::Job job = rig_.GetJob(batches.front().job().name());
    EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.error().message();
    return job;
  }
  absl::Status StatusOfRun(const v1::JobSpec& spec) {
    v1::StartJobRequest request;
    *request.mutable_spec() = spec;
    return StatusOf(rig_.client().StartJob(request));
  }
  template <typename T>
  static absl::Status StatusOf(Task<T> call) {
    try {
      SyncWait(std::move(call));
    } catch (const StatusError& error) {
      return error.status();
    }
    return absl::OkStatus();
  }

  v1::JobSpec DryRun() const {
    v1::JobSpec spec;
    spec.mutable_apply()->set_reconcile_job(reconcile_.name());
    spec.mutable_apply()->set_metadata(v1::ApplySpec::METADATA_POLICY_IGNORE_TIMES);
    // Wherever the tests run.
    spec.mutable_apply()->set_allow_unleased(true);
    return spec;
  }
  v1::JobSpec Apply() const {
    v1::JobSpec spec = DryRun();
    spec.mutable_apply()->set_dry_run(false);
    spec.mutable_apply()->set_reconcile_etag(reconcile_.etag());
    return spec;
  }
  static v1::JobSpec UndoOf(const std::string& job) {
    v1::JobSpec spec;
    spec.mutable_apply()->set_undo_of(job);
    spec.mutable_apply()->set_dry_run(false);
    spec.mutable_apply()->set_allow_unleased(true);
    return spec;
  }

  std::uint32_t Links() { return rig_.tree().Stat(Name(0)).link_count; }

  ServerRig rig_;
  v1::Job reconcile_;
};

TEST_F(ApplyService, ServerSaysThatItApplies) {
  const v1::GetServerInfoResponse info = SyncWait(rig_.client().GetServerInfo());
  EXPECT_THAT(info.job_kinds(), testing::Contains("apply"));
}

TEST_F(ApplyService, DryRunTellsWhatWouldBeDoneAndTakesNothing) {
  std::vector<v1::JobEvent> events;
  const v1::Job job = Run(DryRun(), &events);
  ASSERT_EQ(events.size(), kCopies) << "an outcome each, but for what is kept; and the end";
  for (int i = 0; i + 1 < kCopies; ++i) {
    EXPECT_EQ(events[static_cast<std::size_t>(i)].outcome().result(),
              v1::ApplyOutcome::RESULT_WOULD_APPLY);
  }
  EXPECT_EQ(job.counters().changes(), kCopies - 1U);
  EXPECT_GT(job.counters().recovered_bytes(), 0U);
  EXPECT_FALSE(job.has_undo_expire_time());
  EXPECT_EQ(Links(), 1U);
}

TEST_F(ApplyService, HardLinksAreMadeAndUnmade) {
  const v1::Job applied = Run(Apply());
  EXPECT_EQ(applied.counters().changes(), kCopies - 1U);
  EXPECT_EQ(Links(), static_cast<std::uint32_t>(kCopies));
  EXPECT_GT(applied.undo_expire_time().seconds(), applied.end_time().seconds());

  std::vector<v1::JobEvent> events;
  const v1::Job undone = Run(UndoOf(applied.name()), &events);
  EXPECT_EQ(undone.counters().changes(), kCopies - 1U);
  EXPECT_TRUE(events.front().outcome().undo());
  EXPECT_EQ(Links(), 1U);
  EXPECT_FALSE(undone.has_undo_expire_time());
}

TEST_F(ApplyService, OutcomesAreReadAgainFromAnySequence) {
  std::vector<v1::JobEvent> events;
  const v1::Job job = Run(Apply(), &events);
  for (const std::uint64_t first : {1U, 7U, 20U}) {
    v1::WatchJobRequest request;
    request.set_name(job.name());
    request.set_start_sequence(first);
    auto stream = rig_.client().Watch(request);
    const std::vector<v1::JobEvent> again = EventsOf(PullAll(stream));
    ASSERT_EQ(again.size(), events.size() - first + 1);
    for (std::size_t i = 0; i < again.size(); ++i) {
      EXPECT_EQ(again[i].SerializeAsString(), events[i + first - 1].SerializeAsString());
    }
  }
}

TEST_F(ApplyService, JobThatCanBeUndoneIsDeletedOnlyWithThat) {
  const std::string name = Run(Apply()).name();
  const absl::Status refused = StatusOf(rig_.client().DeleteJob(name, Client::IfMissing::kFail));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("discard_undo"));
  EXPECT_EQ(rig_.GetJob(name).name(), name);
  SyncWait(
      rig_.client().DeleteJob(name, Client::IfMissing::kFail, Client::IfUndoable::kDiscardUndo));
  EXPECT_TRUE(absl::IsNotFound(StatusOf(rig_.client().GetJob(name))));
  EXPECT_TRUE(absl::IsNotFound(StatusOfRun(UndoOf(name))));
}

TEST_F(ApplyService, RequestsThatCannotBeCarriedOutAreRefused) {
  v1::JobSpec nothing;
  nothing.mutable_apply();
  EXPECT_TRUE(absl::IsInvalidArgument(StatusOfRun(nothing)));
  v1::JobSpec reviewed = Apply();
  reviewed.mutable_apply()->set_reconcile_etag("of another time");
  EXPECT_TRUE(absl::IsAborted(StatusOfRun(reviewed)));
  EXPECT_TRUE(absl::IsFailedPrecondition(StatusOfRun(UndoOf(reconcile_.name()))));
  v1::JobSpec missing = DryRun();
  missing.mutable_apply()->set_reconcile_job("jobs/01a208ec-d375-7000-bcb1-3c3c40554a01");
  EXPECT_TRUE(absl::IsNotFound(StatusOfRun(missing)));
  const absl::Status kindless = StatusOfRun(v1::JobSpec());
  EXPECT_THAT(std::string(kindless.message()), HasSubstr("scan, reconcile, apply"));
}

TEST_F(ApplyService, FilesThatHaveChangedSinceAreLeftAlone) {
  rig_.tree().Write(Name(3), "other content here");
  std::vector<v1::JobEvent> events;
  const v1::Job job = Run(Apply(), &events);
  std::map<std::string, v1::ApplyOutcome::SkipReason> skipped;
  for (const v1::JobEvent& event : events) {
    if (event.outcome().result() == v1::ApplyOutcome::RESULT_SKIPPED) {
      skipped[event.outcome().path()] = event.outcome().skip_reason();
    }
  }
  EXPECT_EQ(job.counters().skipped(), skipped.size());
  EXPECT_EQ(skipped.at(rig_.tree().Path(Name(3))), v1::ApplyOutcome::SKIP_REASON_CHANGED);
}

}  // namespace
}  // namespace sluice
