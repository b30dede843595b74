#include "gtest/gtest.h"

#include "client/cli/exit_status.h"
#include "client/cli/report.h"

namespace sluice::cli {
namespace {

v1::Copy& AddCopy(v1::ReconciliationPlan& plan, const std::string& path) {
  v1::Copy& copy = *plan.add_copies();
  copy.mutable_file()->set_path(path);
  return copy;
}

v1::ReconciliationPlan Group() {
  v1::ReconciliationPlan plan;
  plan.set_size(1536);
  plan.set_total_copies(4);
  plan.set_total_recoverable_bytes(1536);
  plan.set_part(1);
  plan.set_last_part(true);
  plan.set_reason("oldest: modified 2024-02-29T12:00:00Z");
  plan.mutable_source_of_truth()->set_path("/data/a");
  AddCopy(plan, "/data/b");
  AddCopy(plan, "/data/a");
  AddCopy(plan, "/data/c").set_shares_storage_with("/data/a");
  AddCopy(plan, "/data/d").set_protected_(true);
  return plan;
}

const Console kPlain(Console::Options{});

TEST(PlanText, NamesSizeCopiesAndGainThenTheKeptThenTheOthers) {
  EXPECT_EQ(PlanText(Group(), kPlain),
            "4 copies of 1.5 KiB (1,536 bytes), 1.5 KiB (1,536 bytes) recoverable\n"
            "  keep  /data/a   oldest: modified 2024-02-29T12:00:00Z\n"
            "        /data/b\n"
            "        /data/c   same file as /data/a\n"
            "        /data/d   protected\n"
            "\n");
}

TEST(PlanText, ALaterPartOnlyAddsItsFiles) {
  v1::ReconciliationPlan first = Group();
  first.set_last_part(false);
  EXPECT_FALSE(PlanText(first, kPlain).ends_with("\n\n"));

  v1::ReconciliationPlan second = Group();
  second.set_part(2);
  second.clear_copies();
  AddCopy(second, "/data/e");
  EXPECT_EQ(PlanText(second, kPlain), "        /data/e\n\n");
}

TEST(PlanText, ColoursOnlyWhereThereAreSome) {
  const Console colored(Console::Options{.colors = true});
  EXPECT_EQ(PlanText(Group(), kPlain).find('\x1b'), std::string::npos);
  EXPECT_NE(PlanText(Group(), colored).find('\x1b'), std::string::npos);
}

TEST(FileText, HasDigestSizeAndPathLastSoThatAnyPathCanBeCutOff) {
  v1::FileRecord file;
  file.set_path("/data/with space");
  file.set_size(1000);
  EXPECT_EQ(FileText(file), "-            1,000  /data/with space\n");
}

TEST(ItemErrorText, NamesPathOperationAndCause) {
  v1::ItemError error;
  error.set_path("/data/a");
  error.set_operation("open");
  error.mutable_status()->set_message("Permission denied");
  EXPECT_EQ(ItemErrorText(error), "sluice: /data/a: open: Permission denied");
}

TEST(SkippedText, NamesTheReasonInLowerCase) {
  v1::SkippedItem skipped;
  skipped.set_path("/data/.a");
  skipped.set_reason(v1::SkippedItem::REASON_HIDDEN);
  EXPECT_EQ(SkippedText(skipped), "sluice: /data/.a: skipped: hidden");
}

v1::JobSummary Summary(v1::JobState state, std::uint64_t errors) {
  v1::JobSummary summary;
  summary.set_state(state);
  summary.mutable_counters()->set_errors(errors);
  return summary;
}

TEST(ExitStatus, OfAJobTellsSuccessItemErrorsAndFailureApart) {
  EXPECT_EQ(ExitStatusFor(Summary(v1::JOB_STATE_SUCCEEDED, 0)), ExitStatus::kOk);
  EXPECT_EQ(ExitStatusFor(Summary(v1::JOB_STATE_SUCCEEDED, 1)), ExitStatus::kItemErrors);
  EXPECT_EQ(ExitStatusFor(Summary(v1::JOB_STATE_FAILED, 1)), ExitStatus::kFailed);
  EXPECT_EQ(ExitStatusFor(Summary(v1::JOB_STATE_CANCELLED, 0)), ExitStatus::kFailed);
}

TEST(ExitStatus, OfSeveralJobsIsTheWorst) {
  EXPECT_EQ(Worse(ExitStatus::kOk, ExitStatus::kItemErrors), ExitStatus::kItemErrors);
  EXPECT_EQ(Worse(ExitStatus::kItemErrors, ExitStatus::kOk), ExitStatus::kItemErrors);
  EXPECT_EQ(Worse(ExitStatus::kItemErrors, ExitStatus::kFailed), ExitStatus::kFailed);
  EXPECT_EQ(Worse(ExitStatus::kFailed, ExitStatus::kItemErrors), ExitStatus::kFailed);
}

TEST(ExitStatus, OfAnInvalidRequestIsThatOfWrongUsage) {
  EXPECT_EQ(ExitStatusFor(absl::InvalidArgumentError("roots")), ExitStatus::kUsage);
  EXPECT_EQ(ExitStatusFor(absl::UnavailableError("gone")), ExitStatus::kFailed);
}

}  // namespace
}  // namespace sluice::cli
