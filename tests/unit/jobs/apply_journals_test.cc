// How long an apply job can be undone, and what is deleted then.
#include "server/jobs/apply_journals.h"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/stages/apply/apply.h"
#include "server/jobs/retention.h"
#include "tests/unit/jobs/apply_job_rig.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr char kId[] = "01a208ec-d375-7000-bcb1-3c3c40554a01";
// So short that everything that has ended is old.
constexpr RetentionLimits kNothingIsKept{.job_retention = Clock::Duration(1),
                                         .max_catalog_bytes = 1};
constexpr std::int64_t kHour = 3'600'000'000'000;

class ApplyJournalsTest : public ApplyJobTest {
 protected:
  // One file removed, which is kept for an undo.
  std::shared_ptr<Job> Removed(std::int64_t window_ns) {
    WriteCopies(2);
    auto job = Run(WithWindow(ApplyOf(NameOf(Reconcile()), v1::ACTION_REMOVE), window_ns));
    EXPECT_EQ(job->Snapshot().counters().changes(), 1U);
    return job;
  }
  void Sweep(RetentionLimits limits = {}) {
    Retention retention(rig_.manager(), limits, rig_.executor(), rig_.clock(),
                        [](const std::string& text) { ADD_FAILURE() << text; });
    EXPECT_EQ(SyncWait(retention.Sweep({})), absl::OkStatus());
  }
  void Damage(const std::string& id) {
    WriteWholeFile(rig_.journals().PathOf(id), "no journal at all, but long enough for one");
  }
  // What is kept is taken for somebody else's where others may read it.
  void Reach(bool can) {
    ASSERT_EQ(::chmod(rig_.tree().Path(".sluice").c_str(), can ? 0700 : 0755), 0);
  }
  bool IsKept() const { return std::filesystem::exists(rig_.tree().Path(".sluice")); }
  bool IsUndoable(const std::shared_ptr<Job>& job) {
    return job->Snapshot().has_undo_expire_time();
  }
};

TEST_F(ApplyJournalsTest, JobSaysUntilWhenItCanBeUndone) {
  const auto job = Removed(kHour);
  const v1::Job shown = job->Snapshot();
  EXPECT_EQ(FromTimestamp(shown.undo_expire_time()), FromTimestamp(shown.end_time()) + kHour);
  bool listed = false;
  rig_.Restart();  // So that nobody holds the job, and it is shown from its record.
  const auto visit = [&](const v1::Job& each, const std::string& id) {
    listed |= id == job->id() && each.has_undo_expire_time();
    return true;
  };
  ASSERT_EQ(rig_.manager().table().ForEach("", "apply", visit), absl::OkStatus());
  EXPECT_TRUE(listed);
  std::filesystem::remove(rig_.journals().PathOf(job->id()));
  EXPECT_FALSE(IsUndoable(Value(rig_.manager().Find(NameOf(job)))));
}

TEST_F(ApplyJournalsTest, JobThatCanBeUndoneIsDeletedOnlyByThoseWhoGiveThatUp) {
  const auto job = Removed(kHour);
  const absl::Status refused = rig_.manager().Delete(NameOf(job)).status();
  EXPECT_EQ(ReasonOf(refused), "FAILED_PRECONDITION UNDO_WINDOW_OPEN");
  EXPECT_NE(std::string(refused.message()).find("discard_undo"), std::string::npos);
  EXPECT_TRUE(IsKept());
  EXPECT_TRUE(
      Value(rig_.manager().Delete(NameOf(job), IfUndoable::kDiscard)).has_undo_expire_time());
  EXPECT_FALSE(IsKept());
  EXPECT_FALSE(rig_.journals().Exists(job->id()));
  EXPECT_TRUE(absl::IsNotFound(rig_.manager().Find(NameOf(job)).status()));
}

TEST_F(ApplyJournalsTest, JobWhoseWindowHasPassedIsDeletedWithWhatWasKept) {
  const auto job = Removed(1);
  EXPECT_FALSE(IsUndoable(job));
  EXPECT_TRUE(IsKept());
  EXPECT_TRUE(rig_.manager().Delete(NameOf(job)).ok());
  EXPECT_FALSE(IsKept());
}

TEST_F(ApplyJournalsTest, WithoutAWindowNothingIsKept) {
  Removed(0);
  EXPECT_FALSE(IsKept());
}

TEST_F(ApplyJournalsTest, RetentionLeavesAJobThatCanBeUndone) {
  const auto job = Removed(kHour);
  Sweep(kNothingIsKept);
  Sweep(kNothingIsKept);
  EXPECT_EQ(job->log().extent().oldest, 1U);
  EXPECT_TRUE(IsUndoable(job));
  EXPECT_TRUE(rig_.Start(UndoOf(NameOf(job))).ok());
}

TEST_F(ApplyJournalsTest, RetentionGivesUpWhatCannotBeUndoneAnyMore) {
  const auto job = Removed(1);
  Sweep();
  EXPECT_FALSE(IsKept());
  EXPECT_FALSE(rig_.journals().Exists(job->id()));
  EXPECT_TRUE(rig_.manager().Find(NameOf(job)).ok()) << "the job itself stays";
}

TEST_F(ApplyJournalsTest, RetentionLeavesWhatIsBeingUndone) {
  const auto job = Removed(1);
  // Started just before the window had passed.
  v1::JobSpec undo = UndoOf(NameOf(job));
  undo.set_pacing(v1::PACING_PACED_BY_CONSUMER);
  undo.set_window(1);
  const auto undoing = Value(rig_.manager().Start(undo, ""));
  Sweep();
  EXPECT_TRUE(rig_.journals().Exists(job->id()));
  EXPECT_EQ(ReasonOf(rig_.manager().Delete(NameOf(job), IfUndoable::kDiscard).status()),
            "FAILED_PRECONDITION IN_USE");
}

TEST_F(ApplyJournalsTest, RetentionDiscardsWhatNoJobKnows) {
  const std::string path = rig_.journals().PathOf(kId);
  ASSERT_TRUE(ApplyJournal::Open(path).ok());
  const auto job = Removed(kHour);
  Sweep();
  EXPECT_EQ(Value(rig_.journals().List()), std::vector{job->id()});
}

TEST_F(ApplyJournalsTest, JournalThatCannotBeReadIsReportedAndLeft) {
  Damage(kId);
  rig_.journals().RecoverAll();
  ASSERT_EQ(rig_.journal_reports().size(), 1U);
  EXPECT_THAT(rig_.journal_reports()[0], HasSubstr(kId));
  Sweep();
  Sweep();
  EXPECT_EQ(rig_.journal_reports().size(), 1U);
  EXPECT_TRUE(rig_.journals().Exists(kId));
}

TEST_F(ApplyJournalsTest, WhoeverGivesUpTheUndoIsRidOfADamagedJournal) {
  const auto job = Removed(1);
  Damage(job->id());
  EXPECT_EQ(ReasonOf(rig_.manager().Delete(NameOf(job)).status()), "DATA_LOSS JOURNAL_DAMAGED");
  EXPECT_TRUE(rig_.journals().Exists(job->id()));
  EXPECT_TRUE(rig_.manager().Delete(NameOf(job), IfUndoable::kDiscard).ok());
  EXPECT_FALSE(rig_.journals().Exists(job->id()));
  EXPECT_TRUE(absl::IsNotFound(rig_.manager().Find(NameOf(job)).status()));
}

TEST_F(ApplyJournalsTest, WhatCannotBeReachedNowIsGivenUpLater) {
  const auto job = Removed(1);
  const std::string kept = rig_.tree().Path(".sluice");
  Reach(false);
  Sweep(kNothingIsKept);
  Sweep(kNothingIsKept);
  EXPECT_TRUE(rig_.journals().Exists(job->id()));
  EXPECT_TRUE(rig_.manager().Find(NameOf(job)).ok());
  ASSERT_EQ(rig_.journal_reports().size(), 1U);
  EXPECT_THAT(rig_.journal_reports()[0], HasSubstr(kept));
  for (const IfUndoable if_undoable : {IfUndoable::kRefuse, IfUndoable::kDiscard}) {
    const absl::Status refused = rig_.manager().Delete(NameOf(job), if_undoable).status();
    EXPECT_EQ(ReasonOf(refused), "UNAVAILABLE JOURNAL_UNAVAILABLE");
    EXPECT_THAT(std::string(refused.message()), HasSubstr(kept));
  }
  Reach(true);
  Sweep(kNothingIsKept);
  EXPECT_FALSE(IsKept());
  EXPECT_TRUE(absl::IsNotFound(rig_.manager().Find(NameOf(job)).status()));
}

// As the operating guide says.
TEST_F(ApplyJournalsTest, WhatCannotBeReachedAnyMoreIsGivenUpByHand) {
  const auto job = Removed(kHour);
  Reach(false);
  std::filesystem::remove(rig_.journals().PathOf(job->id()));
  EXPECT_TRUE(rig_.manager().Delete(NameOf(job)).ok());
}

// A job that was stopped before it could tell what it had done.
v1::Job Cancelled() {
  v1::Job job;
  job.set_name(absl::StrCat("jobs/", kId));
  job.set_state(v1::JOB_STATE_CANCELLED);
  job.mutable_spec()->mutable_apply()->set_dry_run(false);
  job.mutable_end_time()->set_seconds(1'000);
  return job;
}

TEST_F(ApplyJournalsTest, ChangesThatWereNotToldCanBeUndone) {
  const v1::Job job = Cancelled();
  constexpr std::int64_t kNow = 2'000'000'000'000;
  EXPECT_FALSE(rig_.journals().UndoableUntil(job, kNow));
  auto journal = Value(ApplyJournal::Open(rig_.journals().PathOf(kId)));
  EXPECT_FALSE(rig_.journals().UndoableUntil(job, kNow));
  const ApplyPosition position = {.plan_sequence = 1, .copy = 1};
  ASSERT_EQ(journal->Append(ChangeIntent{.position = position}), absl::OkStatus());
  EXPECT_FALSE(rig_.journals().UndoableUntil(job, kNow));
  ASSERT_EQ(journal->Append(ChangeDone{.position = position,
                                       .outcome = {.result = ApplyOutcome::Result::kApplied}}),
            absl::OkStatus());
  EXPECT_TRUE(rig_.journals().UndoableUntil(job, kNow));
  EXPECT_FALSE(rig_.journals().UndoableUntil(job, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace
}  // namespace sluice
