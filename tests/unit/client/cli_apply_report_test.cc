#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/cli/apply_report.h"
#include "client/cli/format.h"
#include "client/cli/report.h"

namespace sluice::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using Outcome = v1::ApplyOutcome;

const Console kPlain(Console::Options{});

Outcome Applied(v1::Action action) {
  Outcome outcome;
  outcome.set_path("/data/b");
  outcome.set_kept_path("/data/a");
  outcome.set_action(action);
  outcome.set_result(Outcome::RESULT_APPLIED);
  outcome.set_recovered_bytes(1536);
  return outcome;
}

Outcome Skipped(Outcome::SkipReason reason) {
  Outcome outcome;
  outcome.set_path("/data/b");
  outcome.set_result(Outcome::RESULT_SKIPPED);
  outcome.set_skip_reason(reason);
  return outcome;
}

TEST(OutcomeText, SaysWhatWasDoneToWhichPathAndWhatCameOfIt) {
  EXPECT_EQ(OutcomeText(Applied(v1::ACTION_HARDLINK), kPlain),
            "hard link     /data/b   to /data/a, 1.5 KiB freed");
  EXPECT_EQ(OutcomeText(Applied(v1::ACTION_SYMLINK), kPlain),
            "symlink       /data/b   to /data/a, 1.5 KiB freed");
  EXPECT_EQ(OutcomeText(Applied(v1::ACTION_REFLINK), kPlain),
            "reflink       /data/b   with /data/a, 1.5 KiB freed");
}

TEST(OutcomeText, OfADryRunSaysWhatWouldBeDone) {
  Outcome outcome = Applied(v1::ACTION_REMOVE);
  outcome.set_result(Outcome::RESULT_WOULD_APPLY);
  outcome.set_recovered_bytes(0);
  outcome.set_pending_bytes(1536);
  EXPECT_EQ(OutcomeText(outcome, kPlain),
            "would remove  /data/b   kept /data/a, 1.5 KiB to be freed when the undo window ends");
}

TEST(OutcomeText, NamesTheMetadataThatWasGivenUp) {
  Outcome outcome = Applied(v1::ACTION_HARDLINK);
  outcome.add_metadata_changes(Outcome::METADATA_MODE);
  outcome.add_metadata_changes(Outcome::METADATA_MODIFY_TIME);
  EXPECT_THAT(OutcomeText(outcome, kPlain), HasSubstr(", gave up mode, modification time"));
}

TEST(OutcomeText, OfAnUndoNamesThePathAlone) {
  Outcome outcome = Applied(v1::ACTION_HARDLINK);
  outcome.set_undo(true);
  outcome.set_recovered_bytes(0);
  EXPECT_EQ(OutcomeText(outcome, kPlain), "undo          /data/b");
}

TEST(OutcomeText, SaysWhyAFileWasLeftAlone) {
  EXPECT_EQ(OutcomeText(Skipped(Outcome::SKIP_REASON_BUSY), kPlain),
            "sluice: /data/b: skipped: open for writing");
  Outcome differs = Skipped(Outcome::SKIP_REASON_METADATA_DIFFERS);
  differs.add_metadata_changes(Outcome::METADATA_GROUP);
  EXPECT_EQ(OutcomeText(differs, kPlain), "sluice: /data/b: skipped: metadata differs: group");
}

TEST(OutcomeText, HasWordsForEverySkipReason) {
  for (int reason = 1; reason <= Outcome::SkipReason_MAX; ++reason) {
    const auto text = OutcomeText(Skipped(static_cast<Outcome::SkipReason>(reason)), kPlain);
    EXPECT_THAT(text, Not(HasSubstr("for another reason"))) << reason;
  }
}

TEST(OutcomeText, OfAFailureGivesItsCause) {
  Outcome outcome = Applied(v1::ACTION_HARDLINK);
  outcome.set_result(Outcome::RESULT_FAILED);
  outcome.mutable_error()->set_message("Input/output error");
  EXPECT_FALSE(IsChange(outcome));
  EXPECT_EQ(OutcomeText(outcome, kPlain), "sluice: /data/b: not changed: Input/output error");
}

v1::Job ApplyJob() {
  v1::Job job;
  job.set_name("jobs/2");
  job.mutable_spec()->mutable_apply()->set_dry_run(false);
  job.mutable_counters()->set_changes(2);
  job.mutable_counters()->set_skipped(1);
  job.mutable_counters()->set_recovered_bytes(1536);
  return job;
}

v1::JobSummary SummaryOf(const v1::Job& job) {
  v1::JobSummary summary;
  *summary.mutable_counters() = job.counters();
  return summary;
}

TEST(ApplySummaryText, CountsWhatWasChangedAndSaysHowToUndoIt) {
  v1::Job job = ApplyJob();
  job.mutable_undo_expire_time()->set_seconds(1709208000);
  job.mutable_counters()->set_pending_bytes(512);
  EXPECT_EQ(SummaryText(job, SummaryOf(job)),
            "changed       2 files\n"
            "skipped       1\n"
            "failed        0\n"
            "recovered     1.5 KiB (1,536 bytes)\n"
            "pending       512 bytes, given back when the undo window ends\n"
            "time          0.0 s\n"
            "undo with: sluice undo jobs/2   (until " +
                LocalTime(job.undo_expire_time()) + ")\n");
}

TEST(ApplySummaryText, OfADryRunIsAboutWhatWouldBe) {
  v1::Job job = ApplyJob();
  for (v1::ApplySpec* spec = job.mutable_spec()->mutable_apply(); spec->has_dry_run();) {
    spec->set_dry_run(true);
    EXPECT_THAT(SummaryText(job, SummaryOf(job)), HasSubstr("would change  2 files\n"));
    spec->clear_dry_run();  // Which says the same.
  }
  EXPECT_THAT(SummaryText(job, SummaryOf(job)), HasSubstr("would recover 1.5 KiB (1,536 bytes)\n"));
  EXPECT_THAT(SummaryText(job, SummaryOf(job)), Not(HasSubstr("undo with")));
}

TEST(PlannedText, GivesTheTotalsAndTheActionInWords) {
  v1::Job reconcile;
  reconcile.set_name("jobs/1");
  reconcile.mutable_counters()->set_groups(3);
  reconcile.mutable_counters()->set_recoverable_bytes(1536);
  reconcile.mutable_spec()->mutable_reconcile()->set_action(v1::ACTION_SYMLINK);
  v1::ApplySpec spec;
  EXPECT_EQ(PlannedText(reconcile, spec),
            "jobs/1: 3 groups, 1.5 KiB (1,536 bytes) recoverable\n"
            "put symbolic links to the kept one in place of the other copies");
  spec.set_action(v1::ACTION_REMOVE);
  spec.add_plans("plans/1");
  EXPECT_EQ(PlannedText(reconcile, spec),
            "jobs/1: 3 groups, 1.5 KiB (1,536 bytes) recoverable in all; of these, 1 plan\n"
            "remove the other copies");
}

TEST(DoneText, SaysWhatAnUndoWouldUndo) {
  EXPECT_EQ(DoneText(ApplyJob()),
            "jobs/2: changed 2 files, 1.5 KiB (1,536 bytes) recovered, 0 bytes pending");
}

}  // namespace
}  // namespace sluice::cli
