#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/cli/apply_job.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/client/cli_streams.h"
#include "tests/unit/client/fake_server.h"

namespace sluice::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

v1::Job Reconciled() {
  v1::Job job;
  job.mutable_spec()->mutable_reconcile();
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  job.set_etag("as reviewed");
  job.mutable_counters()->set_groups(2);
  job.mutable_counters()->set_recoverable_bytes(1536);
  return job;
}

v1::Job Applied() {
  v1::Job job;
  job.mutable_spec()->mutable_apply()->set_dry_run(false);
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  job.mutable_counters()->set_changes(2);
  return job;
}

// An apply job of one change and one file that was left alone.
std::vector<v1::EventBatch> OneChangeAndOneSkip() {
  v1::EventBatch batch;
  batch.mutable_job()->set_name("jobs/2");
  batch.mutable_job()->mutable_spec()->mutable_apply()->set_dry_run(false);
  v1::ApplyOutcome& applied = *batch.add_events()->mutable_outcome();
  batch.mutable_events(0)->set_sequence(1);
  applied.set_path("/data/b");
  applied.set_result(v1::ApplyOutcome::RESULT_APPLIED);
  v1::ApplyOutcome& skipped = *batch.add_events()->mutable_outcome();
  batch.mutable_events(1)->set_sequence(2);
  skipped.set_path("/data/c");
  skipped.set_result(v1::ApplyOutcome::RESULT_SKIPPED);
  skipped.set_skip_reason(v1::ApplyOutcome::SKIP_REASON_VANISHED);
  batch.set_next_sequence(3);
  batch.mutable_end()->set_reason(v1::StreamEnd::REASON_JOB_ENDED);
  batch.mutable_end()->mutable_summary()->set_state(v1::JOB_STATE_SUCCEEDED);
  batch.mutable_end()->mutable_summary()->mutable_counters()->set_changes(1);
  return {batch};
}

class ApplyJobTest : public testing::Test {
 protected:
  ApplyJobTest() {
    jobs().job = Reconciled();
    jobs().script.batches = OneChangeAndOneSkip();
    jobs().on_run = [this](const v1::JobSpec& spec) {
      runs_.push_back(spec);
      if (spec.has_apply()) run_ = spec.apply();
    };
    jobs().on_start = [this](const v1::StartJobRequest& request) { started_ = request; };
  }

  FakeJobService& jobs() { return server_.jobs; }

  // Somebody sits at a terminal and will type this.
  void Typed(const std::string& answer) {
    typed_.Put(answer);
    terminal_.emplace(typed_.reader.get(), asked_.fd());
  }

  ExitStatus Apply(ApplyRequest request) {
    return Run([&](Session session) { return ApplyPlans(session, std::move(request), "jobs/1"); });
  }
  ExitStatus Undo(ApplyRequest request) {
    return Run([&](Session session) { return UndoJob(session, std::move(request), "jobs/1"); });
  }

  ExitStatus Dedupe(std::vector<std::string> arguments) {
    Invocation invocation;
    arguments.insert(arguments.begin(), {"dedupe", "/"});
    std::ranges::reverse(arguments);  // As CLI11 takes them.
    MakeCommandLine(invocation)->parse(arguments);
    return Run(invocation.run);
  }

  template <typename Command>
  ExitStatus Run(Command command) {
    Console console({.output = output_.fd(), .error = error_.fd()});
    const Session session = {
        .client = &client_, .console = &console, .terminal = terminal_ ? &*terminal_ : nullptr};
    try {
      const ExitStatus status = SyncWait(command(session));
      console.Flush();
      return status;
    } catch (const StatusError& error) {
      problem_ = std::string(error.status().message());
      return ExitStatusFor(error.status());
    }
  }

  FakeServer server_;
  ThreadPool executor_{1};
  Client client_{server_.address(), executor_};
  Pipe typed_;
  Sink asked_;
  std::optional<Terminal> terminal_;
  Sink output_;
  Sink error_;
  std::string problem_;
  std::vector<v1::JobSpec> runs_;
  std::optional<v1::ApplySpec> run_;
  std::optional<v1::StartJobRequest> started_;
};

ApplyRequest Yes() {
  ApplyRequest request;
  request.yes = true;
  return request;
}

ApplyRequest DryRun() {
  ApplyRequest request;
  request.spec.mutable_apply()->set_dry_run(true);
  return request;
}

TEST_F(ApplyJobTest, ShowsTheTotalsThenAsksThenRunsWhatWasShown) {
  Typed("y\n");
  EXPECT_EQ(Apply({}), ExitStatus::kOk);
  EXPECT_EQ(asked_.Text(), "Go on? [y/N] ");
  EXPECT_THAT(error_.Text(), HasSubstr("jobs/1: 2 groups, 1.5 KiB (1,536 bytes) recoverable\n"));
  ASSERT_TRUE(run_);
  EXPECT_EQ(run_->reconcile_job(), "jobs/1");
  EXPECT_EQ(run_->reconcile_etag(), "as reviewed");
  EXPECT_TRUE(run_->has_dry_run() && !run_->dry_run());
}

TEST_F(ApplyJobTest, PrintsChangesAsResultsAndWhatWasLeftAloneAsNotes) {
  EXPECT_EQ(Apply(Yes()), ExitStatus::kOk);
  EXPECT_THAT(output_.Text(), HasSubstr("hard link     /data/b\nchanged       1 file\n"));
  EXPECT_THAT(output_.Text(), Not(HasSubstr("/data/c")));
  EXPECT_THAT(error_.Text(), HasSubstr("sluice: /data/c: skipped: not there any more\n"));
}

TEST_F(ApplyJobTest, ANoChangesNothingAndIsAFailure) {
  Typed("\n");
  EXPECT_EQ(Apply({}), ExitStatus::kFailed);
  EXPECT_FALSE(run_);
  EXPECT_THAT(error_.Text(), HasSubstr("sluice: nothing was changed\n"));
}

TEST_F(ApplyJobTest, WithoutATerminalTheConsentMustBeInTheCommand) {
  EXPECT_EQ(Apply({}), ExitStatus::kUsage);
  EXPECT_THAT(problem_, HasSubstr("--yes"));
  EXPECT_FALSE(run_);
  EXPECT_EQ(Apply(Yes()), ExitStatus::kOk);
  EXPECT_TRUE(run_);
}

TEST_F(ApplyJobTest, ADryRunAsksNothing) {
  Typed("");
  EXPECT_EQ(Apply(DryRun()), ExitStatus::kOk);
  EXPECT_THAT(asked_.Text(), IsEmpty());
  EXPECT_TRUE(run_ && run_->dry_run());
}

TEST_F(ApplyJobTest, WhatTheServerRefusesIsNotAskedAbout) {
  Typed("y\n");
  jobs().on_start = [this](const v1::StartJobRequest& request) {
    EXPECT_TRUE(request.validate_only());
    jobs().unary_status = {grpc::StatusCode::FAILED_PRECONDITION, "not like this"};
  };
  EXPECT_EQ(Apply({}), ExitStatus::kFailed);
  EXPECT_EQ(problem_, "not like this");
  EXPECT_THAT(asked_.Text(), IsEmpty());
}

TEST_F(ApplyJobTest, WithoutGroupsThereIsNothingToAskOrToDo) {
  jobs().job.mutable_counters()->set_groups(0);
  EXPECT_EQ(Apply({}), ExitStatus::kOk);
  EXPECT_FALSE(run_);
  EXPECT_EQ(error_.Text(), "sluice: jobs/1: nothing to do\n");
}

TEST_F(ApplyJobTest, ChosenPlansStandInPlaceOfTheirJob) {
  ApplyRequest request = Yes();
  request.spec.mutable_apply()->add_plans("plans/1");
  EXPECT_EQ(Apply(request), ExitStatus::kOk);
  EXPECT_THAT(run_->plans(), ElementsAre("plans/1"));
  EXPECT_THAT(run_->reconcile_job(), IsEmpty());
  EXPECT_EQ(run_->reconcile_etag(), "as reviewed");
}

TEST_F(ApplyJobTest, DetachedItOnlyStartsTheJob) {
  ApplyRequest request = Yes();
  request.detach = true;
  EXPECT_EQ(Apply(request), ExitStatus::kOk);
  EXPECT_EQ(output_.Text(), "jobs/1\n");
  EXPECT_TRUE(started_ && !started_->validate_only() && started_->spec().apply().has_dry_run());
}

TEST_F(ApplyJobTest, AJobOfAnotherKindIsAUsageError) {
  EXPECT_EQ(Undo(Yes()), ExitStatus::kUsage);
  EXPECT_EQ(problem_, "jobs/1 is a job of the kind \"reconcile\", not \"apply\"");
  jobs().job = Applied();
  EXPECT_EQ(Apply(Yes()), ExitStatus::kUsage);
  EXPECT_FALSE(run_);
}

TEST_F(ApplyJobTest, AnUndoShowsWhatWasDoneAndAsks) {
  jobs().job = Applied();
  Typed("yes\n");
  EXPECT_EQ(Undo({}), ExitStatus::kOk);
  EXPECT_THAT(error_.Text(), HasSubstr("jobs/1: changed 2 files, "));
  ASSERT_TRUE(run_);
  EXPECT_EQ(run_->undo_of(), "jobs/1");
  EXPECT_TRUE(run_->has_dry_run() && !run_->dry_run());
}

TEST_F(ApplyJobTest, AnUndoOfNothingIsDone) {
  jobs().job = Applied();
  jobs().job.clear_counters();
  EXPECT_EQ(Undo({}), ExitStatus::kOk);
  EXPECT_FALSE(run_);
}

TEST_F(ApplyJobTest, DedupeAppliesWhatItHasPlannedAndReported) {
  EXPECT_EQ(Dedupe({"--apply=symlink", "--yes", "--label=k=v", "--max-changes=3"}),
            ExitStatus::kOk);
  ASSERT_EQ(runs_.size(), 3U);
  EXPECT_TRUE(runs_[0].has_scan());
  EXPECT_EQ(runs_[1].reconcile().action(), v1::ACTION_SYMLINK);
  EXPECT_EQ(run_->reconcile_job(), "jobs/2");
  EXPECT_EQ(run_->reconcile_etag(), "as reviewed");
  EXPECT_EQ(run_->max_changes(), 3U);
  EXPECT_EQ(runs_[2].labels().at("k"), "v");
}

TEST_F(ApplyJobTest, DedupeNeedsConsentBeforeItReadsAnything) {
  EXPECT_EQ(Dedupe({"--apply=symlink"}), ExitStatus::kUsage);
  EXPECT_THAT(runs_, IsEmpty());
}

TEST_F(ApplyJobTest, DedupeAsksNothingWhereItFoundNothing) {
  Typed("y\n");
  jobs().job.mutable_counters()->set_groups(0);
  EXPECT_EQ(Dedupe({"--apply=hardlink"}), ExitStatus::kOk);
  EXPECT_EQ(runs_.size(), 2U);
  EXPECT_THAT(asked_.Text(), IsEmpty());
}

TEST_F(ApplyJobTest, DedupeWithoutApplyChangesNothing) {
  EXPECT_EQ(Dedupe({}), ExitStatus::kOk);
  EXPECT_EQ(runs_.size(), 2U);
}

}  // namespace
}  // namespace sluice::cli
