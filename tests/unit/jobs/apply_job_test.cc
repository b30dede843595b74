// Apply jobs: what they do to files, say, and remember.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "tests/unit/jobs/apply_job_rig.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr auto kApplied = v1::ApplyOutcome::RESULT_APPLIED;
constexpr auto kWouldApply = v1::ApplyOutcome::RESULT_WOULD_APPLY;

using ApplyJob = ApplyJobTest;

TEST_F(ApplyJob, ChangesNothingUnlessItIsAskedTo) {
  WriteCopies(3);
  const auto job = Run(DryRunOf(NameOf(Reconcile())));
  EXPECT_THAT(ResultsOf(OutcomesOf(rig_.Follow(job))), ElementsAre(Pair(kWouldApply, 2)));
  EXPECT_NE(InodeOf("f0"), InodeOf("f1"));
  EXPECT_FALSE(rig_.journals().Exists(job->id()));
  EXPECT_FALSE(job->Snapshot().has_undo_expire_time());
}

TEST_F(ApplyJob, LinksAndCountsWhatItHasDone) {
  WriteCopies(3);
  const auto job = Run(ApplyOf(NameOf(Reconcile())));
  EXPECT_THAT(ResultsOf(OutcomesOf(rig_.Follow(job))), ElementsAre(Pair(kApplied, 2)));
  EXPECT_EQ(InodeOf("f0"), InodeOf("f1"));
  EXPECT_EQ(InodeOf("f0"), InodeOf("f2"));
  const v1::JobCounters counters = job->Snapshot().counters();
  EXPECT_EQ(counters.items(), 2U);
  EXPECT_EQ(counters.changes(), 2U);
  EXPECT_EQ(counters.errors() + counters.skipped(), 0U);
  EXPECT_GT(counters.recovered_bytes(), 0U);
  ASSERT_EQ(counters.stages_size(), 1);
  EXPECT_EQ(counters.stages(0).name(), "apply");
  EXPECT_EQ(counters.stages(0).items(), 2U);
}

TEST_F(ApplyJob, WhatIsSkippedCountsAsSuch) {
  WriteCopies(3);
  const auto reconcile = Reconcile();
  rig_.tree().Write("f1", "something else now");
  const auto job = Run(ApplyOf(NameOf(reconcile)));
  EXPECT_EQ(job->Snapshot().counters().changes(), 1U);
  EXPECT_EQ(job->Snapshot().counters().skipped(), 1U);
}

TEST_F(ApplyJob, TakesOnlyThePlansThatAreNamed) {
  WriteCopies(2, "a");
  WriteCopies(2, "b");
  const auto reconcile = Reconcile();
  v1::JobSpec spec = ApplyOf("");
  const v1::ReconciliationPlan plan = rig_.Follow(reconcile).front().plan();
  spec.mutable_apply()->add_plans(plan.name());
  const std::vector<v1::ApplyOutcome> outcomes = OutcomesOf(rig_.RunToEnd(spec));
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].plan(), plan.name());
  EXPECT_EQ(outcomes[0].kept_path(), plan.source_of_truth().path());
}

TEST_F(ApplyJob, UndoMakesTwoFilesOfOneAgain) {
  WriteCopies(2);
  const auto applied = Run(ApplyOf(NameOf(Reconcile())));
  ASSERT_EQ(InodeOf("f0"), InodeOf("f1"));
  const std::vector<v1::ApplyOutcome> outcomes = OutcomesOf(rig_.RunToEnd(UndoOf(NameOf(applied))));
  ASSERT_THAT(ResultsOf(outcomes), ElementsAre(Pair(kApplied, 1)));
  EXPECT_TRUE(outcomes[0].undo());
  EXPECT_NE(InodeOf("f0"), InodeOf("f1"));
}

TEST_F(ApplyJob, RemovedFileComesBackByAnUndo) {
  WriteCopies(2);
  const auto reconcile = Reconcile();
  const auto applied = Run(ApplyOf(NameOf(reconcile), v1::ACTION_REMOVE));
  EXPECT_GT(applied->Snapshot().counters().pending_bytes(), 0U);
  EXPECT_EQ(rig_.RunToEnd(rig_.ScanSpec()).size(), 2U) << "one file, and the end";
  Run(UndoOf(NameOf(applied)));
  EXPECT_EQ(rig_.RunToEnd(rig_.ScanSpec()).size(), 3U);
}

// A job that is a few outcomes on its way, and tells them to nobody.
class ApplyJobProgress : public ApplyJobTest {
 protected:
  v1::Progress ProgressOf(v1::JobSpec spec) {
    spec.set_window(4);
    job_ = Value(rig_.Start(std::move(spec), "", v1::PACING_PACED_BY_CONSUMER));
    JobRig::AwaitState(*job_, v1::JOB_STATE_WAITING);
    return job_->CurrentProgress();
  }

  std::shared_ptr<Job> job_;
};

TEST_F(ApplyJobProgress, KnowsHowManyCopiesThePlansHave) {
  WriteCopies(10, "a");
  WriteCopies(10, "b");
  const auto reconcile = Reconcile();
  EXPECT_EQ(reconcile->Snapshot().counters().copies(), 18U);
  const std::uint64_t bytes = reconcile->Snapshot().counters().copy_bytes();
  EXPECT_EQ(bytes, 18U * std::string("the content of a").size());
  const v1::Progress progress = ProgressOf(DryRunOf(NameOf(reconcile)));
  EXPECT_EQ(progress.items_total(), 18U);
  EXPECT_EQ(progress.bytes_total(), bytes);
}

TEST_F(ApplyJobProgress, ExpectsNoBytesOfWhatIsSkipped) {
  WriteCopies(20);
  const auto reconcile = Reconcile();
  for (int i = 1; i < 20; ++i) rig_.tree().Write(absl::StrCat("f", i), "another content");
  EXPECT_EQ(ProgressOf(DryRunOf(NameOf(reconcile))).items_total(), 19U);
  rig_.Follow(job_);
  EXPECT_FALSE(job_->CurrentProgress().has_bytes_total());
}

TEST_F(ApplyJobProgress, GoesOnWithWhatIsLeftAndAnUndoWithWhatWasChanged) {
  WriteCopies(20);
  const std::string reconcile = NameOf(Reconcile());
  ProgressOf(ApplyOf(reconcile));
  rig_.FollowForAWhile(job_);
  const std::string name = NameOf(job_);
  job_.reset();
  rig_.Restart();
  const auto job = Value(rig_.manager().Find(name));
  const std::uint64_t told = job->Snapshot().counters().items();
  JobRig::AwaitState(*job, v1::JOB_STATE_WAITING);
  const v1::Progress progress = job->CurrentProgress();
  EXPECT_GT(told, 0U);
  EXPECT_EQ(progress.items_total(), 19U - told);
  EXPECT_FALSE(progress.has_bytes_total());
  rig_.Follow(job);
  EXPECT_EQ(ProgressOf(UndoOf(name)).items_total(), 19U);
}

// How often each path has an outcome of this result, whatever interrupted the job.
class ApplyJobResumes : public ApplyJobTest {
 protected:
  static constexpr int kFiles = 60;

  // A job that tells a few outcomes at a time, to nobody, until the server is restarted; then all
  // that it has told.
  std::vector<v1::JobEvent> Interrupted(v1::JobSpec spec) {
    spec.set_window(8);
    const std::string id = [&] {
      const auto job = Value(rig_.Start(std::move(spec), "", v1::PACING_PACED_BY_CONSUMER));
      JobRig::AwaitState(*job, v1::JOB_STATE_WAITING);
      return job->id();
    }();
    rig_.Restart();
    const auto job = Value(rig_.manager().Find("jobs/" + id));
    EXPECT_FALSE(IsFinal(job->state()));
    std::vector<v1::JobEvent> events = rig_.Follow(job);
    counters_ = job->Snapshot().counters();
    return events;
  }
  static std::set<std::string> PathsOnce(const std::vector<v1::ApplyOutcome>& outcomes) {
    std::set<std::string> paths;
    for (const v1::ApplyOutcome& outcome : outcomes) {
      EXPECT_TRUE(paths.insert(outcome.path()).second) << outcome.path();
    }
    return paths;
  }

  v1::JobCounters counters_;
};

TEST_F(ApplyJobResumes, EveryCopyIsChangedAndToldOnce) {
  WriteCopies(kFiles);
  const auto outcomes = OutcomesOf(Interrupted(ApplyOf(NameOf(Reconcile()))));
  EXPECT_EQ(PathsOnce(outcomes).size(), kFiles - 1U);
  EXPECT_THAT(ResultsOf(outcomes), ElementsAre(Pair(kApplied, kFiles - 1)));
  EXPECT_EQ(counters_.changes(), kFiles - 1U);
  EXPECT_EQ(rig_.tree().Stat("f0").link_count, static_cast<std::uint32_t>(kFiles));
}

TEST_F(ApplyJobResumes, UndoToo) {
  WriteCopies(kFiles);
  const auto applied = Run(ApplyOf(NameOf(Reconcile())));
  const auto outcomes = OutcomesOf(Interrupted(UndoOf(NameOf(applied))));
  EXPECT_EQ(PathsOnce(outcomes).size(), kFiles - 1U);
  EXPECT_THAT(ResultsOf(outcomes), ElementsAre(Pair(kApplied, kFiles - 1)));
  EXPECT_EQ(rig_.tree().Stat("f0").link_count, 1U);
}

TEST_F(ApplyJobResumes, BoundOfChangesHoldsOverAllRuns) {
  constexpr int kChanges = 20;
  WriteCopies(kFiles);
  const std::string reconcile = NameOf(Reconcile());
  for (v1::JobSpec spec : {DryRunOf(reconcile), ApplyOf(reconcile)}) {
    spec.mutable_apply()->set_max_changes(kChanges);
    const auto outcomes = OutcomesOf(Interrupted(spec));
    EXPECT_EQ(PathsOnce(outcomes).size(), static_cast<std::size_t>(kChanges));
    EXPECT_EQ(counters_.changes(), static_cast<std::uint64_t>(kChanges));
  }
}

}  // namespace
}  // namespace sluice
