// A store that fails at its n-th write, n = 1, 2, 3 …, once or from then on: what is seen of a job
// is always stored, and once the store works again the job comes to the same result.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "pipeline/stages/digest.h"
#include "tests/unit/catalog/fixture.h"
#include "tests/unit/jobs/job_model_rig.h"

namespace sluice {
namespace {

using absl::StatusCode;
using Fault = StrictCatalog::Fault;

class StorageFailure : public testing::TestWithParam<std::tuple<StatusCode, Fault>> {
 protected:
  explicit StorageFailure(GatedDigester::OnStop on_stop = GatedDigester::OnStop::kThrow)
      : rig_(tree_, {.max_running_jobs = 1}, on_stop) {
    // Holes, and so large that each is digested on its own.
    for (int i = 0; i < kFiles; ++i) {
      std::filesystem::resize_file(tree_.Write(absl::StrCat("f", i)), kDigestChunkBytes + i);
    }
  }

  StatusCode code() const { return std::get<0>(GetParam()); }
  Fault fault() const { return std::get<1>(GetParam()); }
  void Break(int nth = 1) { rig_.catalog().FailWrite(nth, fault(), code()); }

  std::shared_ptr<Job> StartScan() {
    return Value(rig_.manager().Start(rig_.ScanSpec(v1::DIGEST_POLICY_ALL), ""));
  }
  // One that has begun, and stays at the gate.
  std::shared_ptr<Job> RunningScan() {
    std::shared_ptr<Job> job = StartScan();
    rig_.LetTimePass();
    EXPECT_EQ(job->state(), v1::JOB_STATE_RUNNING);
    return job;
  }
  // Lets it go on file by file, in a transaction for each or two.
  void GoOnSlowly() {
    for (int i = 0; i <= kFiles; ++i) {
      rig_.digester().Allow(1);
      rig_.LetTimePass();
    }
  }
  // REQUIRES: no job is held.
  void Restart() {
    rig_.manager().Drain();
    rig_.Close();
    rig_.catalog().Reopen();
    rig_.Open(ResumeJobs::kAuto);
  }
  static std::string NameOf(const Job& job) { return "jobs/" + job.id(); }
  // The state as another process would find it.
  v1::JobState Stored(const Job& job) { return rig_.catalog().stored_state(job.id()); }

  void ExpectOnlyWhatIsStoredIsShown(Job& job) {
    EXPECT_EQ(job.log().extent().last, rig_.catalog().log(job.id()).size());
  }
  void ExpectEachFileOnce(const Job& job) {
    std::multiset<std::string> paths;
    for (const EventRecord& event : rig_.catalog().log(job.id())) {
      if (const auto* file = std::get_if<FileEntry>(&event.event)) paths.insert(file->path);
    }
    EXPECT_EQ(paths.size(), static_cast<std::size_t>(kFiles));
    EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), paths.size());
  }
  // A call that the store refuses: it says so, and the job is as it was.
  void ExpectRefused(const absl::Status& answer, Job& job, v1::JobState as_before) {
    EXPECT_EQ(answer.code(), code()) << answer;
    EXPECT_EQ(job.state(), as_before);
    ExpectOnlyWhatIsStoredIsShown(job);
    rig_.catalog().Heal();
  }

  static constexpr int kFiles = 6;
  TempTree tree_;
  ManualJobRig rig_;
};

const auto kAnyError =
    testing::Combine(testing::Values(StatusCode::kResourceExhausted, StatusCode::kUnavailable,
                                     StatusCode::kDataLoss),
                     testing::Values(Fault::kOnce, Fault::kForEver));

std::string NameOfError(const testing::TestParamInfo<std::tuple<StatusCode, Fault>>& row) {
  const auto& [code, fault] = row.param;
  return absl::StrCat(absl::StatusCodeToString(code), fault == Fault::kOnce ? "Once" : "ForEver");
}

INSTANTIATE_TEST_SUITE_P(AnyError, StorageFailure, kAnyError, NameOfError);

TEST_P(StorageFailure, RunThatMeetsItAtAnyWritePausesAndComesToTheSameResultWhenResumed) {
  constexpr int kMoreThanAJobWrites = 100;
  int nth = 1;
  for (; nth < kMoreThanAJobWrites; ++nth) {
    SCOPED_TRACE(nth);
    Restart();  // The gate is closed again.
    const auto job = RunningScan();
    Break(nth);
    GoOnSlowly();
    ExpectOnlyWhatIsStoredIsShown(*job);
    if (job->state() == v1::JOB_STATE_SUCCEEDED) break;
    ASSERT_EQ(job->state(), v1::JOB_STATE_PAUSED);
    EXPECT_EQ(job->Snapshot().error().code(), static_cast<int>(code()));
    rig_.catalog().Heal();
    EXPECT_EQ(Value(rig_.manager().Resume(NameOf(*job))).error().code(), 0);
    GoOnSlowly();
    EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
    EXPECT_EQ(job->Snapshot().counters().items(), static_cast<std::uint64_t>(kFiles));
    ExpectEachFileOnce(*job);
  }
  EXPECT_GT(nth, 3) << "the files were to be stored in several writes";
  EXPECT_LT(nth, kMoreThanAJobWrites);
}

TEST_P(StorageFailure, JobThatPausedBecauseOfItGoesOnInTheNextProcess) {
  auto job = RunningScan();
  const std::string name = NameOf(*job);
  Break(3);
  GoOnSlowly();
  ASSERT_EQ(job->state(), v1::JOB_STATE_PAUSED);
  job.reset();
  Restart();
  job = Value(rig_.manager().Find(name));
  if (job->state() == v1::JOB_STATE_PAUSED) Value(rig_.manager().Resume(name));
  rig_.digester().Open();
  rig_.LetTimePass();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  ExpectEachFileOnce(*job);
}

TEST_P(StorageFailure, JobThatCannotBeCreatedIsNot) {
  const v1::JobSpec spec = rig_.ScanSpec(v1::DIGEST_POLICY_NONE);
  const std::string request = "00000000-0000-4000-8000-000000000001";
  Break();
  EXPECT_EQ(rig_.manager().Start(spec, request).status().code(), code());
  EXPECT_TRUE(Value(rig_.catalog().ListJobs("", "", 10)).empty());
  rig_.catalog().Heal();
  const auto job = Value(rig_.manager().Start(spec, request));
  rig_.LetTimePass();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_P(StorageFailure, QueuedJobIsNeitherPausedNorCancelledNorLost) {
  RunningScan();
  const auto job = StartScan();
  const std::string name = NameOf(*job);
  Break();
  ExpectRefused(rig_.manager().Pause(name).status(), *job, v1::JOB_STATE_QUEUED);
  Break();
  ExpectRefused(rig_.manager().Cancel(name).status(), *job, v1::JOB_STATE_QUEUED);
  rig_.digester().Open();
  rig_.LetTimePass();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_P(StorageFailure, PausedJobIsNeitherResumedNorCancelled) {
  RunningScan();
  const auto job = StartScan();
  const std::string name = NameOf(*job);
  Value(rig_.manager().Pause(name));
  Break();
  ExpectRefused(rig_.manager().Resume(name).status(), *job, v1::JOB_STATE_PAUSED);
  Break();
  ExpectRefused(rig_.manager().Cancel(name).status(), *job, v1::JOB_STATE_PAUSED);
  EXPECT_EQ(Stored(*job), v1::JOB_STATE_PAUSED);
}

TEST_P(StorageFailure, EndedJobIsNeitherDeletedNorExpired) {
  rig_.digester().Open();
  const auto job = StartScan();
  rig_.LetTimePass();
  Break();
  ExpectRefused(rig_.manager().Delete(NameOf(*job)).status(), *job, v1::JOB_STATE_SUCCEEDED);
  Break();
  ExpectRefused(job->ExpireEvents().status(), *job, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job->log().extent().oldest, 1U);
  EXPECT_EQ(Value(rig_.manager().Find(NameOf(*job))), job);
  EXPECT_EQ(rig_.manager().Delete(NameOf(*job)).status(), absl::OkStatus());
}

TEST_P(StorageFailure, RunIsStoppedByPauseAllTheSame) {
  const auto job = RunningScan();
  Break();
  EXPECT_EQ(Value(rig_.manager().Pause(NameOf(*job))).state(), v1::JOB_STATE_PAUSING);
  rig_.LetTimePass();
  EXPECT_EQ(job->state(), v1::JOB_STATE_PAUSED);
  ExpectOnlyWhatIsStoredIsShown(*job);
}

// Whoever cancels a job learns that it is not, if it is not: it can be cancelled again.
TEST_P(StorageFailure, RunIsStoppedByCancelAllTheSame) {
  const auto job = RunningScan();
  Break();
  EXPECT_EQ(Value(rig_.manager().Cancel(NameOf(*job))).state(), v1::JOB_STATE_CANCELLING);
  rig_.LetTimePass();
  if (fault() == Fault::kForEver) {
    EXPECT_EQ(job->state(), v1::JOB_STATE_PAUSED);
    EXPECT_EQ(job->Snapshot().error().code(), static_cast<int>(code()));
    rig_.catalog().Heal();
    Value(rig_.manager().Cancel(NameOf(*job)));
  }
  EXPECT_EQ(job->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Stored(*job), v1::JOB_STATE_CANCELLED);
}

// A file that is being read holds up the end of a run.
class StorageFailureWithASlowFile : public StorageFailure {
 protected:
  StorageFailureWithASlowFile() : StorageFailure(GatedDigester::OnStop::kIgnore) {}

  // Could not store, and has not ended yet.
  std::shared_ptr<Job> ScanThatCannotStore() {
    std::shared_ptr<Job> job = RunningScan();
    rig_.catalog().FailWrite(1, Fault::kOnce, code());
    // Files are stored in their order, which is not that of being read.
    for (int i = 1; i < kFiles && rig_.catalog().fault_ahead(); ++i) {
      rig_.digester().Allow(1);
      rig_.LetTimePass();
    }
    EXPECT_FALSE(rig_.catalog().fault_ahead());
    EXPECT_EQ(job->state(), v1::JOB_STATE_RUNNING);
    return job;
  }
};

INSTANTIATE_TEST_SUITE_P(AnyError, StorageFailureWithASlowFile, kAnyError, NameOfError);

TEST_P(StorageFailureWithASlowFile, CancelOfARunThatCouldNotStoreCancels) {
  const auto job = ScanThatCannotStore();
  Value(rig_.manager().Cancel(NameOf(*job)));
  rig_.digester().Open();
  rig_.LetTimePass();
  EXPECT_EQ(job->state(), v1::JOB_STATE_CANCELLED);
}

TEST_P(StorageFailureWithASlowFile, ResumeOfARunThatCouldNotStoreAndPausesRunsItToItsEnd) {
  const auto job = ScanThatCannotStore();
  Value(rig_.manager().Pause(NameOf(*job)));
  Value(rig_.manager().Resume(NameOf(*job)));
  rig_.digester().Open();
  rig_.LetTimePass();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job->Snapshot().error().code(), 0);
  ExpectEachFileOnce(*job);
}

}  // namespace
}  // namespace sluice
