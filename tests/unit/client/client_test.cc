#include "client/client.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

#include "client/error_details.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/impatient_clock.h"

namespace sluice {
namespace {

using Batches = AsyncGenerator<v1::EventBatch>;

// One with the event before `next_sequence`; for the first, one without.
v1::EventBatch BatchTo(std::uint64_t next_sequence, std::size_t padding = 0) {
  v1::EventBatch batch;
  if (next_sequence > 1) batch.add_events()->set_sequence(next_sequence - 1);
  batch.set_next_sequence(next_sequence);
  if (padding > 0) batch.mutable_job()->set_etag(std::string(padding, 'x'));
  return batch;
}

Task<std::optional<v1::EventBatch>> Pull(Batches* batches) { co_return co_await batches->Next(); }

class ClientTest : public testing::Test {
 protected:
  Client Connect() { return Client(server_.address(), executor_, {.read_ahead_bytes = 16384}); }
  std::optional<v1::EventBatch> PullFrom(Batches& batches) { return SyncWait(Pull(&batches)); }

  FakeJobService& jobs() { return server_.jobs; }
  Seen& seen() { return server_.jobs.seen; }

  FakeServer server_;
  ThreadPool executor_{1};
};

TEST_F(ClientTest, CallsNothingBeforeTheFirstPull) {
  Client client = Connect();
  {
    const Batches never_pulled = client.Run({});
  }
  EXPECT_EQ(seen().Get(&Seen::calls), 0U);
}

TEST_F(ClientTest, YieldsEveryMessageInOrderAndThenEnds) {
  jobs().script.batches = {BatchTo(1), BatchTo(2), BatchTo(3)};
  Client client = Connect();
  Batches batches = client.Watch({});
  for (std::uint64_t expected = 1; expected <= 3; ++expected) {
    EXPECT_EQ(PullFrom(batches)->next_sequence(), expected);
  }
  EXPECT_EQ(PullFrom(batches), std::nullopt);
  EXPECT_EQ(PullFrom(batches), std::nullopt);
}

Task<std::pair<std::thread::id, std::thread::id>> ThreadsBeforeAndAfter(Executor* executor,
                                                                        Batches* batches) {
  co_await executor->Schedule();
  const std::thread::id before = std::this_thread::get_id();
  (void)co_await batches->Next();
  co_return std::pair(before, std::this_thread::get_id());
}

TEST_F(ClientTest, ResumesTheConsumerOnItsExecutor) {
  jobs().script.batches = {BatchTo(1)};
  Client client = Connect();
  Batches batches = client.Run({});
  const auto [before, after] = SyncWait(ThreadsBeforeAndAfter(&executor_, &batches));
  EXPECT_EQ(before, after);
}

TEST_F(ClientTest, LetsTheServerRunAheadByNoMoreThanItsReadAhead) {
  jobs().script = {.batches = {BatchTo(1, 1024)}, .repeat = true};
  Client client = Connect();
  {
    Batches batches = client.Run({});
    for (int i = 0; i < 5; ++i) (void)PullFrom(batches);
    seen().WaitFor(&Seen::writes, 6);  // It does run ahead.
  }
  seen().WaitFor(&Seen::ended, 1);  // Now the count is final.
  // 16 KiB asked for, and twice that for what both ends have in hand.
  EXPECT_LE(seen().Get(&Seen::writes), 5 + 48U);
}

TEST_F(ClientTest, DroppedHalfWayCancelsTheCall) {
  jobs().script = {.batches = {BatchTo(1)}, .hang = true};
  Client client = Connect();
  {
    Batches batches = client.Run({});
    EXPECT_TRUE(PullFrom(batches));
  }
  seen().WaitFor(&Seen::cancelled, 1);
}

TEST_F(ClientTest, MayBeDestroyedRightAfterADroppedStream) {
  jobs().script = {.batches = {BatchTo(1)}, .repeat = true};
  for (std::size_t i = 1; i <= 50; ++i) {
    Client client = Connect();
    Batches batches = client.Run({});
    EXPECT_TRUE(PullFrom(batches));
  }
  seen().WaitFor(&Seen::ended, 50);
}

TEST_F(ClientTest, StopEndsAWaitingStreamWithCancelled) {
  jobs().script = {.batches = {BatchTo(1)}, .hang = true};
  Client client = Connect();
  std::stop_source stop;
  Batches batches = client.Run({}, {.stop = stop.get_token()});
  EXPECT_TRUE(PullFrom(batches));
  const std::jthread stopper([&] {
    seen().WaitFor(&Seen::writes, 1);
    stop.request_stop();
  });
  EXPECT_THROW(PullFrom(batches), Cancelled);
  seen().WaitFor(&Seen::cancelled, 1);
}

TEST_F(ClientTest, StoppedBeforeThePullNeverCalls) {
  Client client = Connect();
  std::stop_source stop;
  stop.request_stop();
  Batches batches = client.Run({}, {.stop = stop.get_token()});
  EXPECT_THROW(PullFrom(batches), Cancelled);
  EXPECT_THROW(SyncWait(client.GetJob("jobs/1", {.stop = stop.get_token()})), Cancelled);
  EXPECT_EQ(seen().Get(&Seen::calls), 0U);
}

grpc::Status QuotaError() {
  google::rpc::QuotaFailure failure;
  failure.add_violations()->set_description("8 jobs are running");
  google::rpc::Status status;
  status.add_details()->PackFrom(failure);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many jobs", status.SerializeAsString()};
}

template <typename Call>
absl::Status ErrorOf(const Call& call) {
  try {
    call();
  } catch (const StatusError& error) {
    return error.status();
  }
  return absl::OkStatus();
}

TEST_F(ClientTest, AnErrorEndsTheStreamWithItsCodeMessageAndDetails) {
  jobs().script = {.batches = {BatchTo(1)}, .status = QuotaError()};
  Client client = Connect();
  Batches batches = client.Run({});
  EXPECT_TRUE(PullFrom(batches));
  const absl::Status status = ErrorOf([&] { (void)PullFrom(batches); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "too many jobs");
  EXPECT_EQ(DescribeError(status), "too many jobs\n  8 jobs are running");
}

TEST_F(ClientTest, AServerThatCancelsIsAFailureAndNotAnEnd) {
  jobs().script = {.batches = {}, .status = grpc::Status::CANCELLED};
  Client client = Connect();
  Batches batches = client.Run({});
  EXPECT_EQ(ErrorOf([&] { (void)PullFrom(batches); }).code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, AServerThatIsNotThereIsUnavailable) {
  Client client("unix:/nonexistent/sluiced.sock", executor_);
  Batches batches = client.Run({});
  EXPECT_EQ(ErrorOf([&] { (void)PullFrom(batches); }).code(), absl::StatusCode::kUnavailable);
}

TEST_F(ClientTest, UnaryCallsGiveTheirResourceOrThrow) {
  Client client = Connect();
  EXPECT_EQ(SyncWait(client.GetJob("jobs/7")).name(), "jobs/7");
  jobs().unary_status = QuotaError();
  const absl::Status status = ErrorOf([&] { SyncWait(client.GetJob("jobs/7")); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(ClientTest, WhatIsDeletedIsGivenAsItWasAndWhatIsMissingWithoutAName) {
  Client client = Connect();
  EXPECT_EQ(SyncWait(client.DeleteJob("jobs/7", Client::IfMissing::kFail)).name(), "jobs/7");
  EXPECT_EQ(SyncWait(client.DeleteJob("jobs/7", Client::IfMissing::kIgnore)).name(), "");
}

TEST_F(ClientTest, AnUndoIsGivenUpOnRequestOnly) {
  std::vector<bool> discarded;
  jobs().on_delete = [&](const v1::DeleteJobRequest& request) {
    discarded.push_back(request.discard_undo());
  };
  Client client = Connect();
  SyncWait(client.DeleteJob("jobs/7", Client::IfMissing::kFail));
  SyncWait(client.DeleteJob("jobs/7", Client::IfMissing::kFail, Client::IfUndoable::kDiscardUndo));
  EXPECT_EQ(discarded, (std::vector{false, true}));
}

TEST_F(ClientTest, AWaitLongerThanACallIsMadeOfSeveral) {
  ManualClock clock;
  std::chrono::seconds asked_for(0);
  jobs().on_wait = [&](const v1::WaitJobRequest& request) {
    asked_for += std::chrono::seconds(request.timeout().seconds());
    clock.Advance(std::chrono::seconds(request.timeout().seconds()));
  };
  jobs().job.set_state(v1::JOB_STATE_RUNNING);
  Client client(server_.address(), executor_, {.clock = &clock});
  const v1::Job job = SyncWait(client.WaitJob("jobs/7", std::chrono::hours(3)));
  EXPECT_EQ(job.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(asked_for, std::chrono::hours(3));
}

TEST_F(ClientTest, AWaitEndsWithTheJobAndSurvivesARestart) {
  ImpatientClock clock;
  jobs().unary_status = {grpc::StatusCode::UNAVAILABLE, "draining"};
  jobs().job.set_state(v1::JOB_STATE_SUCCEEDED);
  clock.on_wait = [&](std::size_t) { jobs().unary_status = grpc::Status::OK; };
  Client client(server_.address(), executor_, {.clock = &clock});
  const v1::Job job = SyncWait(client.WaitJob("jobs/7", Clock::Duration::max()));
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(clock.waits().size(), 1U);
}

TEST_F(ClientTest, ADeadlineEndsTheCall) {
  jobs().script.hang = true;
  Client client = Connect();
  Batches batches = client.Run({}, {.deadline = std::chrono::system_clock::now()});
  EXPECT_EQ(ErrorOf([&] { (void)PullFrom(batches); }).code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sluice
