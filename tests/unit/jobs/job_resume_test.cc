// Jobs that are interrupted, and go on: nothing comes twice, nothing is missing, nothing is read
// again.

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/jobs/gated_digester.h"
#include "tests/unit/jobs/job_rig.h"

namespace sluice {
namespace {

using testing::Contains;

constexpr int kFiles = 300;

class JobResume : public testing::Test {
 protected:
  JobResume() {
    for (int i = 0; i < kFiles; ++i) rig_.tree().Write(Name(i), "12345678");
  }
  ~JobResume() override { digester_.Open(); }

  static std::string Name(int i) { return absl::StrCat("d", i % 5, "/f", i); }

  std::shared_ptr<Job> StartScan() {
    return Value(rig_.Start(rig_.ScanSpec(v1::DIGEST_POLICY_ALL)));
  }
  std::shared_ptr<Job> Find(const std::string& id) {
    return Value(rig_.manager().Find("jobs/" + id));
  }
  void AwaitStored(Job& job, std::uint64_t events) {
    while (job.log().extent().last < events) std::this_thread::yield();
  }

  // The sequences have no gap; how often each path was recorded.
  std::map<std::string, int> Paths(const std::vector<v1::JobEvent>& events) {
    std::map<std::string, int> paths;
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].sequence(), i + 1);
      if (events[i].has_file()) ++paths[events[i].file().path()];
    }
    EXPECT_EQ(events.back().state_change().state(), v1::JOB_STATE_SUCCEEDED);
    return paths;
  }
  void ExpectEachOnce(const std::vector<v1::JobEvent>& events) {
    const std::map<std::string, int> paths = Paths(events);
    EXPECT_EQ(paths.size(), static_cast<std::size_t>(kFiles));
    for (const auto& [path, count] : paths) EXPECT_EQ(count, 1) << path;
  }

  GatedDigester digester_{GatedDigester::OnStop::kThrow};
  JobRig rig_{{}, &digester_};
};

TEST_F(JobResume, ScanGoesOnAfterARestartWithoutReadingAgainWhatItRecorded) {
  digester_.Allow(kFiles / 2);
  const std::string id = [&] {
    const auto job = StartScan();
    AwaitStored(*job, 64);
    digester_.AwaitDigested(kFiles / 2);
    return job->id();
  }();
  rig_.Restart();
  const auto job = Find(id);
  const int recorded = static_cast<int>(job->log().extent().last);
  EXPECT_GE(recorded, 64);
  const int digested_before = digester_.digested();
  digester_.Open();
  ExpectEachOnce(rig_.Follow(job));
  EXPECT_EQ(digester_.digested() - digested_before, kFiles - recorded);
  EXPECT_EQ(job->Snapshot().counters().items(), static_cast<std::uint64_t>(kFiles));
}

TEST_F(JobResume, ScanOfCandidatesGoesOnAsWell) {
  digester_.Allow(kFiles / 2);
  const std::string id = [&] {
    const auto job = Value(rig_.Start(rig_.ScanSpec(v1::DIGEST_POLICY_CANDIDATES)));
    AwaitStored(*job, 64);
    return job->id();
  }();
  rig_.Restart();
  digester_.Open();
  ExpectEachOnce(rig_.Follow(Find(id)));
}

TEST_F(JobResume, ManyPausesChangeNothingButTheLogOfStates) {
  const auto job = StartScan();
  const std::string name = "jobs/" + job->id();
  for (int i = 1; i <= 5; ++i) {
    digester_.Allow(40);
    digester_.AwaitDigested(40 * i);
    Value(rig_.manager().Pause(name));
    JobRig::AwaitState(*job, v1::JOB_STATE_PAUSED);
    Value(rig_.manager().Resume(name));
  }
  digester_.Open();
  const std::vector<v1::JobEvent> events = rig_.Follow(job);
  ExpectEachOnce(events);
  int pauses = 0;
  for (const v1::JobEvent& event : events) {
    pauses += event.state_change().state() == v1::JOB_STATE_PAUSED ? 1 : 0;
  }
  EXPECT_EQ(pauses, 5);
}

TEST_F(JobResume, FileThatChangedMeanwhileIsRecordedAgainInItsNewVersion) {
  digester_.Allow(kFiles / 2);
  const auto job = StartScan();
  AwaitStored(*job, 64);
  Value(rig_.manager().Pause("jobs/" + job->id()));
  JobRig::AwaitState(*job, v1::JOB_STATE_PAUSED);
  const std::string changed =
      Value(job->log().Read(1)).events.front().event.index() == 0
          ? std::get<FileEntry>(Value(job->log().Read(1)).events[0].event).path
          : "";
  std::filesystem::resize_file(changed, 9);
  Value(rig_.manager().Resume("jobs/" + job->id()));
  digester_.Open();
  const std::map<std::string, int> paths = Paths(rig_.Follow(job));
  EXPECT_EQ(paths.at(changed), 2);
  EXPECT_EQ(paths.size(), static_cast<std::size_t>(kFiles));
}

TEST_F(JobResume, ReconcileGivesEachPlanOnceHoweverOftenItIsInterrupted) {
  // Classes of a size each, of two files.
  for (int i = 0; i < 200; ++i) {
    rig_.tree().Write(absl::StrCat("twin", i), std::string(1000 + i / 2, 'x'));
  }
  digester_.Open();
  const auto scan = Value(rig_.Start(rig_.ScanSpec()));
  rig_.Follow(scan);
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(scan->Snapshot().scan());
  spec.mutable_reconcile()->set_min_size(1000);
  const auto plans = [](const std::vector<v1::JobEvent>& events) {
    std::multiset<std::string> found;
    for (const v1::JobEvent& event : events) {
      if (event.has_plan()) {
        v1::ReconciliationPlan plan = event.plan();
        plan.clear_name();
        found.insert(plan.SerializeAsString());
      }
    }
    return found;
  };
  const std::multiset<std::string> expected = plans(rig_.RunToEnd(spec));
  ASSERT_EQ(expected.size(), 100U);

  const std::string id = Value(rig_.Start(spec))->id();
  for (int i = 0; i < 4; ++i) {
    AwaitStored(*Find(id), static_cast<std::uint64_t>(i));
    rig_.Restart();
  }
  EXPECT_EQ(plans(rig_.Follow(Find(id))), expected);
}

TEST_F(JobResume, PolicyPausedLeavesJobsForSomebodyToResume) {
  digester_.Allow(100);
  const std::string id = [&] {
    const auto job = StartScan();
    AwaitStored(*job, 64);
    return job->id();
  }();
  rig_.Restart(ResumeJobs::kPaused);
  const auto job = Find(id);
  EXPECT_EQ(job->state(), v1::JOB_STATE_PAUSED);
  digester_.Open();
  Value(rig_.manager().Resume("jobs/" + id));
  ExpectEachOnce(rig_.Follow(job));
}

TEST_F(JobResume, PausedJobStaysPausedOverARestart) {
  const auto job = StartScan();
  Value(rig_.manager().Pause("jobs/" + job->id()));
  JobRig::AwaitState(*job, v1::JOB_STATE_PAUSED);
  const std::string id = job->id();
  rig_.Restart();
  EXPECT_EQ(Find(id)->state(), v1::JOB_STATE_PAUSED);
}

TEST_F(JobResume, QueuedJobsRunAfterARestart) {
  const std::vector<std::string> ids = {StartScan()->id(), StartScan()->id(), StartScan()->id()};
  rig_.Restart();
  digester_.Open();
  for (const std::string& id : ids) ExpectEachOnce(rig_.Follow(Find(id)));
}

}  // namespace
}  // namespace sluice
