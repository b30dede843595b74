#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <stop_token>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/cli/follow.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/fs/unique_fd.h"
#include "tests/unit/client/cli_streams.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/impatient_clock.h"

namespace sluice::cli {
namespace {

using testing::HasSubstr;

v1::EventBatch First() {
  v1::EventBatch batch;
  batch.mutable_job()->set_name("jobs/1");
  batch.mutable_job()->mutable_spec()->mutable_scan();
  batch.set_next_sequence(1);
  return batch;
}

v1::EventBatch OneFileAndOneError() {
  v1::EventBatch batch;
  v1::JobEvent& file = *batch.add_events();
  file.set_sequence(1);
  file.mutable_file()->set_path("/data/a");
  v1::JobEvent& error = *batch.add_events();
  error.set_sequence(2);
  error.mutable_error()->set_path("/data/b");
  error.mutable_error()->set_operation("open");
  error.mutable_error()->mutable_status()->set_message("Permission denied");
  batch.mutable_progress()->set_stage("enumerate");
  batch.set_next_sequence(3);
  return batch;
}

v1::EventBatch Last(v1::JobState state, v1::StreamEnd::Reason reason, std::uint64_t errors) {
  v1::EventBatch batch;
  *batch.mutable_job() = First().job();
  batch.mutable_job()->set_state(state);
  batch.mutable_end()->set_reason(reason);
  batch.mutable_end()->mutable_summary()->set_state(state);
  batch.mutable_end()->mutable_summary()->mutable_counters()->set_errors(errors);
  batch.set_next_sequence(3);
  return batch;
}

v1::EventBatch Succeeded() {
  return Last(v1::JOB_STATE_SUCCEEDED, v1::StreamEnd::REASON_JOB_ENDED, 1);
}

class FollowTest : public testing::Test {
 protected:
  ExitStatus Run(Files files, Console::Options options = {}) {
    options.output = output_.fd();
    options.error = error_.fd();
    Console console(options);
    const ExitStatus status = SyncWait(RunAndReport({.client = &client_,
                                                     .console = &console,
                                                     .stop = stop_.get_token(),
                                                     .server_life = server_life_},
                                                    {}, files, false));
    console.Flush();
    return status;
  }
  absl::Status ErrorOfRun() {
    try {
      Run(Files::kCount);
    } catch (const StatusError& error) {
      return error.status();
    }
    ADD_FAILURE() << "a cut result must not look complete";
    return absl::OkStatus();
  }
  FakeJobService& jobs() { return server_.jobs; }

  FakeServer server_;
  ThreadPool executor_{1};
  ImpatientClock clock_;
  Client client_{server_.address(), executor_, {.clock = &clock_}};
  ServerLife server_life_ = ServerLife::kItsOwn;
  std::stop_source stop_;
  Sink output_;
  Sink error_;
};

TEST_F(FollowTest, AScanPrintsItsSummaryAndSaysItemErrorsOnTheOtherStream) {
  jobs().script.batches = {First(), OneFileAndOneError(), Succeeded()};
  EXPECT_EQ(Run(Files::kCount), ExitStatus::kItemErrors);
  EXPECT_THAT(output_.Text(), HasSubstr("errors        1\n"));
  EXPECT_EQ(error_.Text(), "sluice: /data/b: open: Permission denied\n");
}

TEST_F(FollowTest, AListOfFilesHasNothingElseOnStandardOutput) {
  jobs().script.batches = {First(), OneFileAndOneError(), Succeeded()};
  EXPECT_EQ(Run(Files::kPrint), ExitStatus::kItemErrors);
  EXPECT_EQ(output_.Text(), "-                0  /data/a\n");
  EXPECT_THAT(error_.Text(), HasSubstr("errors        1\n"));
}

TEST_F(FollowTest, JsonIsOneEventALineWithTheNamesOfTheContract) {
  jobs().script.batches = {First(), OneFileAndOneError(), Succeeded()};
  Run(Files::kPrint, {.format = Console::Format::kJson});
  EXPECT_EQ(output_.Text(),
            "{\"sequence\":\"1\",\"file\":{\"path\":\"/data/a\"}}\n"
            "{\"sequence\":\"2\",\"error\":{\"path\":\"/data/b\",\"operation\":\"open\","
            "\"status\":{\"message\":\"Permission denied\"}}}\n");
  EXPECT_EQ(error_.Text(), "");
}

TEST_F(FollowTest, ProgressIsShownOnRequestAndGoneInTheEnd) {
  jobs().script.batches = {First(), OneFileAndOneError(), Succeeded()};
  Run(Files::kCount, {.progress = true});
  EXPECT_THAT(error_.Text(), HasSubstr("\renumerate  0 items"));
  EXPECT_TRUE(error_.Text().ends_with("\r\x1b[K"));
}

TEST_F(FollowTest, AFailedJobSaysWhy) {
  v1::EventBatch last = Last(v1::JOB_STATE_FAILED, v1::StreamEnd::REASON_JOB_ENDED, 0);
  last.mutable_job()->mutable_error()->set_message("the catalog is full");
  last.set_next_sequence(1);
  jobs().script.batches = {First(), last};
  EXPECT_EQ(Run(Files::kCount), ExitStatus::kFailed);
  EXPECT_EQ(error_.Text(), "sluice: jobs/1 failed: the catalog is full\n");
}

TEST_F(FollowTest, AStreamThatEndsBeforeItsJobSaysWhereToGoOn) {
  jobs().script.batches = {First(), OneFileAndOneError(),
                           Last(v1::JOB_STATE_RUNNING, v1::StreamEnd::REASON_DRAINING, 0)};
  server_life_ = ServerLife::kTheCommands;  // Which is not waited for to come back.
  EXPECT_THAT(ErrorOfRun().message(), HasSubstr("sluice jobs watch jobs/1 --from=3"));
  jobs().script.batches.pop_back();
  jobs().script.status = {grpc::StatusCode::UNAVAILABLE, "gone"};
  EXPECT_THAT(ErrorOfRun().message(), HasSubstr("gone; go on with: sluice jobs watch jobs/1 --fr"));
}

TEST_F(FollowTest, ALostConnectionIsSaidOnceAndSoIsThatItIsThereAgain) {
  jobs().script = {.batches = {First(), OneFileAndOneError()},
                   .status = {grpc::StatusCode::UNAVAILABLE, "gone"}};
  int calls = 0;
  jobs().watch_script = [&](const v1::WatchJobRequest& request) -> Script {
    if (++calls < 3) return {.batches = {}, .status = {grpc::StatusCode::UNAVAILABLE, "gone"}};
    EXPECT_EQ(request.start_sequence(), 3U);
    return {.batches = {Succeeded()}};
  };
  EXPECT_EQ(Run(Files::kCount), ExitStatus::kItemErrors);
  EXPECT_EQ(error_.Text(),
            "sluice: /data/b: open: Permission denied\n"
            "sluice: connection lost, trying again\n"
            "sluice: connected again\n");
}

v1::EventBatch InState(v1::JobState state) {
  v1::EventBatch batch = First();
  batch.mutable_job()->set_state(state);
  return batch;
}

v1::EventBatch PausedForWantOfSpace() {
  v1::EventBatch batch = InState(v1::JOB_STATE_PAUSED);
  batch.mutable_job()->mutable_error()->set_message("the disk is full");
  return batch;
}

TEST_F(FollowTest, APausedJobIsSaidToBeOnceEachTime) {
  jobs().script.batches = {PausedForWantOfSpace(),
                           PausedForWantOfSpace(),
                           InState(v1::JOB_STATE_RUNNING),
                           InState(v1::JOB_STATE_PAUSED),
                           InState(v1::JOB_STATE_RUNNING),
                           OneFileAndOneError(),
                           Succeeded()};
  EXPECT_EQ(Run(Files::kCount), ExitStatus::kItemErrors);
  EXPECT_EQ(error_.Text(),
            "sluice: paused: the disk is full; resume with: sluice jobs resume jobs/1\n"
            "sluice: paused: jobs/1; resume with: sluice jobs resume jobs/1\n"
            "sluice: /data/b: open: Permission denied\n");
}

TEST_F(FollowTest, APausedJobThatNobodyElseCanResumeEndsTheCommand) {
  server_life_ = ServerLife::kTheCommands;
  jobs().script = {.batches = {PausedForWantOfSpace()}, .hang = true};
  EXPECT_THAT(ErrorOfRun().message(),
              HasSubstr("paused: the disk is full; go on with: sluice jobs resume jobs/1 && "));
}

TEST_F(FollowTest, AQueuedJobShowsWhatItWaitsFor) {
  v1::EventBatch queued = InState(v1::JOB_STATE_QUEUED);
  queued.mutable_job()->set_wait_reason(v1::WAIT_REASON_RUNNING_JOBS);
  queued.mutable_progress()->set_stage("enumerate");  // Which has not begun.
  jobs().script.batches = {queued, InState(v1::JOB_STATE_RUNNING), OneFileAndOneError(),
                           Succeeded()};
  Run(Files::kCount, {.progress = true});
  EXPECT_TRUE(error_.Text().starts_with("\rqueued, waits for other jobs to end\x1b[K"))
      << error_.Text();
}

TEST_F(FollowTest, InterruptedItCancelsTheJobBeforeItEnds) {
  jobs().script = {.batches = {First(), OneFileAndOneError()}, .hang = true};
  const Pipe errors;
  Console console({.output = output_.fd(), .error = errors.writer.get()});
  const std::jthread interrupter([&] {
    char first_byte = 0;
    EXPECT_EQ(read(errors.reader.get(), &first_byte, 1), 1);
    stop_.request_stop();
  });
  EXPECT_THROW(SyncWait(RunJob({&client_, &console, stop_.get_token()}, {}, Files::kCount)),
               Cancelled);
  EXPECT_EQ(jobs().seen.Get(&Seen::cancel_calls), 1U);
}

TEST_F(FollowTest, AnInterruptedApplyJobSaysHowToUndoWhatItHasDone) {
  v1::EventBatch first = First();
  first.mutable_job()->mutable_spec()->mutable_apply()->set_dry_run(false);
  jobs().script = {.batches = {first, OneFileAndOneError()}, .hang = true};
  const Pipe errors;
  Console console({.output = output_.fd(), .error = errors.writer.get()});
  const std::jthread interrupter([&] {
    EXPECT_EQ(errors.Take(), "sluice: /data/b: open: Permission denied\n");
    stop_.request_stop();
  });
  EXPECT_THROW(SyncWait(RunJob({&client_, &console, stop_.get_token()}, {}, Files::kCount)),
               Cancelled);
  EXPECT_EQ(errors.Take(), "sluice: what it has changed can be undone: sluice undo jobs/1\n");
}

TEST(Console, AClosedOutputIsToldApartFromAFailedOne) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.reader.reset();
  Console closed({.output = pipe.writer.get()});
  closed.Print("x");
  EXPECT_THROW(closed.Flush(), OutputClosed);

  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  Console failed({.output = full.get()});
  failed.Print("x");
  EXPECT_THROW(failed.Flush(), StatusError);
}

}  // namespace
}  // namespace sluice::cli
