#include "server/jobs/event_stream.h"

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "server/jobs/job.h"
#include "tests/unit/async/started.h"
#include "tests/unit/jobs/fake_catalog.h"
#include "tests/unit/jobs/parsed_stream.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NoDigester final : public ContentDigester {
 public:
  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor&,
                                             std::stop_token) override {
    co_return MakeItemError(request.path, "open", EIO);
  }
};

v1::JobSpec ScanSpec() {
  v1::JobSpec spec;
  spec.mutable_scan()->add_roots("/data");
  spec.set_pacing(v1::PACING_FREE_RUNNING);
  spec.set_window(1024);
  return spec;
}

// A job whose events the test appends, and one stream of it that the test pulls by hand.
class EventStreamTest : public testing::Test {
 protected:
  EventStreamTest() {
    clock_.Advance(seconds(1));  // At the very beginning of time, nothing can have ended.
    EXPECT_TRUE(job_->Create().ok());
    EXPECT_TRUE(job_->BeginRun());
  }

  void Append(std::size_t count, std::size_t path_bytes = 1) {
    const FileEntry file{.path = "/data/" + std::string(path_bytes, 'f')};
    ASSERT_TRUE(job_->Append(std::vector<JobItem>(count, file)).ok());
  }

  AsyncGenerator<v1::EventBatch> Stream(std::uint64_t first = 1, EventStreamOptions options = {}) {
    return Parsed(EventStream(job_, first, options,
                              {.executor = executor_,
                               .clock = clock_,
                               .stop = stop_.get_token(),
                               .draining = draining_.get_token()}));
  }

  // The next message, which must come without time passing.
  v1::EventBatch PullNow(AsyncGenerator<v1::EventBatch>& stream) {
    Started<std::optional<v1::EventBatch>> pull(NextOf(stream));
    executor_.RunAll();
    EXPECT_TRUE(pull.done());
    if (!pull.done()) return {};
    return pull.Get().value_or(v1::EventBatch());
  }

  FakeCatalog catalog_;
  AllowedRoots roots_;
  NoDigester digester_;
  ApplyJournals journals_{SystemFsOps(), roots_, "/nowhere", [](const std::string&) {}};
  ManualClock clock_;
  JobEnvironment environment_{.roots = roots_,
                              .catalog = catalog_,
                              .digester = digester_,
                              .journals = journals_,
                              .clock = clock_,
                              .spool_directory = "/nowhere",
                              .host = "host",
                              .protected_directories = {}};
  ManualExecutor executor_;
  std::stop_source stop_;
  std::stop_source draining_;
  std::shared_ptr<Job> job_ = std::make_shared<Job>("00000000-0000-7000-8000-000000000001",
                                                    ScanSpec(), RequestKey{}, environment_, clock_);
};

TEST_F(EventStreamTest, FirstMessageNamesTheJobAtOnce) {
  auto stream = Stream();
  const v1::EventBatch first = PullNow(stream);
  EXPECT_EQ(first.job().name(), "jobs/00000000-0000-7000-8000-000000000001");
  EXPECT_EQ(first.events_size(), 0);
  EXPECT_EQ(first.next_sequence(), 1U);
}

TEST_F(EventStreamTest, FullMessagesComeWithoutWaitingAndTheRestAfterTheDelay) {
  auto stream = Stream(1, {.max_batch_events = 4});
  PullNow(stream);
  Append(6);
  EXPECT_EQ(PullNow(stream).events_size(), 4);
  Started<std::optional<v1::EventBatch>> rest(NextOf(stream));
  executor_.RunAll();
  EXPECT_FALSE(rest.done()) << "two events wait for company";
  clock_.Advance(milliseconds(50));
  executor_.RunAll();
  ASSERT_TRUE(rest.done());
  const v1::EventBatch batch = *rest.Get();
  EXPECT_EQ(batch.events_size(), 2);
  EXPECT_EQ(batch.events(0).sequence(), 5U);
  EXPECT_EQ(batch.next_sequence(), 7U);
}

TEST_F(EventStreamTest, MessageThatAsManyEventsHaveFilledBeforeDoesNotWaitForMore) {
  constexpr std::size_t kTwoFillAMessage = EventStreamOptions::kBatchBytes * 2 / 3;
  auto stream = Stream();
  PullNow(stream);
  Append(5, kTwoFillAMessage);
  clock_.Advance(milliseconds(50));
  EXPECT_EQ(PullNow(stream).events_size(), 2);
  EXPECT_EQ(PullNow(stream).events_size(), 2);
  Started<std::optional<v1::EventBatch>> rest(NextOf(stream));
  executor_.RunAll();
  EXPECT_FALSE(rest.done()) << "one event waits for company";
  Append(1);
  executor_.RunAll();
  ASSERT_TRUE(rest.done());
  EXPECT_EQ(rest.Get()->events_size(), 2);

  Append(2);
  Started<std::optional<v1::EventBatch>> small(NextOf(stream));
  executor_.RunAll();
  EXPECT_FALSE(small.done()) << "the last message was not cut";
  clock_.Advance(milliseconds(50));
  executor_.RunAll();
  ASSERT_TRUE(small.done());
  EXPECT_EQ(small.Get()->events_size(), 2);
}

TEST_F(EventStreamTest, StreamsOfOneJobGetTheSameBytes) {
  Append(10);
  ASSERT_TRUE(job_->EndRun(absl::OkStatus()).ok());
  auto early = Stream(1);
  auto late = Stream(4, {.max_batch_events = 1});
  PullNow(early);
  PullNow(late);
  const v1::EventBatch all = PullNow(early);
  ASSERT_EQ(all.events_size(), 11);
  for (int i = 3; i < all.events_size(); ++i) {
    const v1::EventBatch one = PullNow(late);
    ASSERT_EQ(one.events_size(), 1);
    EXPECT_EQ(one.events(0).SerializeAsString(), all.events(i).SerializeAsString());
  }
}

TEST_F(EventStreamTest, LastMessageSaysHowTheJobEnded) {
  auto stream = Stream();
  PullNow(stream);
  Append(1);
  ASSERT_TRUE(job_->EndRun(absl::OkStatus()).ok());
  const v1::EventBatch events = PullNow(stream);
  ASSERT_EQ(events.events_size(), 2);
  EXPECT_EQ(events.events(1).state_change().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(events.events(1).state_change().summary().counters().items(), 1U);
  const v1::EventBatch end = PullNow(stream);
  EXPECT_EQ(end.end().reason(), v1::StreamEnd::REASON_JOB_ENDED);
  EXPECT_EQ(end.end().state(), v1::JOB_STATE_SUCCEEDED);
  Started<std::optional<v1::EventBatch>> after(NextOf(stream));
  EXPECT_EQ(after.Get(), std::nullopt);
}

TEST_F(EventStreamTest, HeartbeatComesAfterASecondOnlyWhileProgressChanges) {
  auto stream = Stream();
  PullNow(stream);
  job_->counters().enumerate.Add(5, 0);
  Started<std::optional<v1::EventBatch>> beat(NextOf(stream));
  clock_.Advance(seconds(1));
  executor_.RunAll();
  ASSERT_TRUE(beat.done());
  EXPECT_EQ(beat.Get()->progress().items_done(), 5U);

  Started<std::optional<v1::EventBatch>> idle(NextOf(stream));
  clock_.Advance(seconds(14));
  executor_.RunAll();
  EXPECT_FALSE(idle.done());
  clock_.Advance(seconds(2));
  executor_.RunAll();
  ASSERT_TRUE(idle.done());
  EXPECT_EQ(idle.Get()->events_size(), 0);
}

TEST_F(EventStreamTest, DrainingEndsTheStreamWithAReasonAndThenUnavailable) {
  auto stream = Stream();
  PullNow(stream);
  Started<std::optional<v1::EventBatch>> last(NextOf(stream));
  draining_.request_stop();
  executor_.RunAll();
  ASSERT_TRUE(last.done());
  EXPECT_EQ(last.Get()->end().reason(), v1::StreamEnd::REASON_DRAINING);
  Started<std::optional<v1::EventBatch>> after(NextOf(stream));
  try {
    after.Get();
    FAIL() << "the stream should have ended with an error";
  } catch (const StatusError& error) {
    EXPECT_TRUE(absl::IsUnavailable(error.status()));
  }
}

TEST_F(EventStreamTest, CallThatGoesAwayEndsTheWait) {
  auto stream = Stream();
  PullNow(stream);
  Started<std::optional<v1::EventBatch>> next(NextOf(stream));
  stop_.request_stop();
  executor_.RunAll();
  ASSERT_TRUE(next.done());
  EXPECT_THROW(next.Get(), Cancelled);
}

TEST_F(EventStreamTest, PullingMovesTheWindowAndDroppingFreesIt) {
  struct NoObserver final : EventLog::WaitObserver {
    void OnWaiting(bool) override {}
  } observer;
  auto stream = std::make_unique<AsyncGenerator<v1::EventBatch>>(Stream());
  PullNow(*stream);
  Append(256);
  PullNow(*stream);
  Started<void> room(job_->log().WaitForRoom(executor_, 0, {}, observer));
  EXPECT_FALSE(room.done()) << "the events may still be on their way";
  Started<std::optional<v1::EventBatch>> next(NextOf(*stream));
  executor_.RunAll();
  EXPECT_TRUE(room.done()) << "asking for more says that they have passed";
  stop_.request_stop();
  executor_.RunAll();
}

TEST_F(EventStreamTest, JobThatWaitsForItsConsumerFlushesWhatThereIs) {
  auto stream = Stream();
  PullNow(stream);
  Append(2);
  Started<std::optional<v1::EventBatch>> next(NextOf(stream));
  executor_.RunAll();
  EXPECT_FALSE(next.done());
  job_->OnWaiting(true);
  executor_.RunAll();
  ASSERT_TRUE(next.done()) << "nothing more will come before these are taken";
  EXPECT_EQ(next.Get()->events_size(), 2);
}

TEST_F(EventStreamTest, SequenceThatNeverComesIsAnErrorWhenTheJobEnds) {
  auto stream = Stream(100);
  PullNow(stream);
  Started<std::optional<v1::EventBatch>> next(NextOf(stream));
  ASSERT_TRUE(job_->EndRun(absl::OkStatus()).ok());
  executor_.RunAll();
  ASSERT_TRUE(next.done());
  try {
    next.Get();
    FAIL() << "the stream should have ended with an error";
  } catch (const StatusError& error) {
    EXPECT_TRUE(absl::IsOutOfRange(error.status()));
  }
}

TEST_F(EventStreamTest, JobIsShownAgainWhenItsStateHasChangedWithoutAnEvent) {
  auto stream = Stream();
  PullNow(stream);
  Started<std::optional<v1::EventBatch>> next(NextOf(stream));
  executor_.RunAll();
  EXPECT_FALSE(next.done());
  ASSERT_TRUE(job_->Pause().ok());
  executor_.RunAll();
  ASSERT_TRUE(next.done());
  EXPECT_EQ(next.Get()->job().state(), v1::JOB_STATE_PAUSING);
}

TEST_F(EventStreamTest, RunThatTheServersOwnDiskFailedIsShownAsPausedWithTheReason) {
  auto stream = Stream();
  PullNow(stream);
  ASSERT_TRUE(job_->EndRun(absl::UnavailableError("temporary file: Input/output error")).ok());
  clock_.Advance(milliseconds(50));
  const v1::EventBatch batch = PullNow(stream);
  ASSERT_EQ(batch.events_size(), 1);
  EXPECT_EQ(batch.events(0).state_change().state(), v1::JOB_STATE_PAUSED);
  EXPECT_EQ(batch.job().error().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(job_->Resume().ok());
  EXPECT_FALSE(job_->Snapshot().has_error());
}

TEST_F(EventStreamTest, EventsThatExpireEndTheStreamWithOutOfRange) {
  Append(3);
  ASSERT_TRUE(job_->EndRun(absl::OkStatus()).ok());
  ASSERT_TRUE(*job_->ExpireEvents());
  auto stream = Stream(2);
  PullNow(stream);
  const v1::EventBatch last = PullNow(stream);
  EXPECT_EQ(last.end().reason(), v1::StreamEnd::REASON_EVENTS_EXPIRED);
  Started<std::optional<v1::EventBatch>> after(NextOf(stream));
  try {
    after.Get();
    FAIL() << "the stream should have ended with an error";
  } catch (const StatusError& error) {
    EXPECT_TRUE(absl::IsOutOfRange(error.status()));
  }
}

TEST_F(EventStreamTest, EventsThatAreReadDoNotExpire) {
  Append(3);
  ASSERT_TRUE(job_->EndRun(absl::OkStatus()).ok());
  auto stream = Stream();
  PullNow(stream);
  EXPECT_FALSE(*job_->ExpireEvents());
}

TEST_F(EventStreamTest, OptionsOutOfRangeAreNamed) {
  v1::StreamOptions options;
  options.set_max_batch_events(5000);
  options.mutable_max_batch_delay()->set_seconds(11);
  options.mutable_heartbeat_interval()->set_nanos(1);
  FieldViolations violations;
  StreamOptionsFromProto(options, violations);
  const std::string message(violations.ToStatus().message());
  EXPECT_NE(message.find("options.max_batch_events"), std::string::npos);
  EXPECT_NE(message.find("options.max_batch_delay"), std::string::npos);
  EXPECT_NE(message.find("options.heartbeat_interval"), std::string::npos);
}

}  // namespace
}  // namespace sluice
