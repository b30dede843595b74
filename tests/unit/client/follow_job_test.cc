#include "client/follow_job.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/client.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/impatient_clock.h"

namespace sluice {
namespace {

using internal::EventPosition;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kEvents = 20;

const grpc::Status& Lost() {
  static const auto* const status = new grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost");
  return *status;
}

// Events [first, end).
v1::EventBatch BatchOf(std::uint64_t first, std::uint64_t end) {
  v1::EventBatch batch;
  for (std::uint64_t sequence = first; sequence < end; ++sequence) {
    batch.add_events()->set_sequence(sequence);
  }
  batch.set_next_sequence(end);
  return batch;
}

v1::EventBatch JobAt(std::uint64_t next) {
  v1::EventBatch batch = BatchOf(next, next);
  batch.mutable_job()->set_name("jobs/1");
  return batch;
}

// The stream of a job of kEvents events, one in each message, that begins at `first`.
Script LogFrom(std::uint64_t first) {
  Script script;
  script.batches.push_back(JobAt(first));
  for (; first <= kEvents; ++first) script.batches.push_back(BatchOf(first, first + 1));
  script.batches.push_back(BatchOf(first, first));
  script.batches.back().mutable_end()->set_reason(v1::StreamEnd::REASON_JOB_ENDED);
  return script;
}

// It breaks after `messages`, if it is longer.
Script Broken(Script script, std::size_t messages) {
  if (messages >= script.batches.size()) return script;
  script.batches.resize(messages);
  script.status = Lost();
  return script;
}

// What has come of a stream, and how it ended.
struct Outcome {
  std::vector<std::uint64_t> sequences;
  std::size_t jobs = 0;
  v1::StreamEnd::Reason end = v1::StreamEnd::REASON_UNSPECIFIED;
  absl::Status status;
};

Task<> Consume(AsyncGenerator<v1::EventBatch> batches, Outcome* outcome) {
  try {
    while (auto batch = co_await batches.Next()) {
      for (const v1::JobEvent& event : batch->events()) {
        outcome->sequences.push_back(event.sequence());
      }
      if (batch->has_job()) ++outcome->jobs;
      if (batch->has_end()) outcome->end = batch->end().reason();
    }
  } catch (...) {
    outcome->status = CurrentExceptionToStatus();
  }
}

std::vector<std::uint64_t> Numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> numbers;
  for (; first <= last; ++first) numbers.push_back(first);
  return numbers;
}

class FollowJobTest : public testing::Test {
 protected:
  Outcome Drain(AsyncGenerator<v1::EventBatch> batches) {
    Outcome outcome;
    SyncWait(Consume(std::move(batches), &outcome));
    return outcome;
  }
  Outcome Watch(v1::WatchJobRequest request = {}, CallOptions options = {}) {
    request.set_name("jobs/1");
    return Drain(client_.Watch(std::move(request), std::move(options)));
  }
  // Every call plays `script` of the sequence that it asks for.
  void Play(std::function<Script(std::uint64_t)> script) {
    server_.jobs.watch_script = [this, script](const v1::WatchJobRequest& request) {
      asked_for_.push_back(request.start_sequence());
      return script(std::max<std::uint64_t>(1, request.start_sequence()));
    };
  }
  Seen& seen() { return server_.jobs.seen; }

  FakeServer server_;
  std::vector<std::uint64_t> asked_for_;
  ImpatientClock clock_;
  ThreadPool executor_{1};
  Client client_{server_.address(), executor_, {.clock = &clock_}};
};

void ExpectWhole(const Outcome& outcome) {
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.sequences, Numbers(1, kEvents));
  EXPECT_EQ(outcome.end, v1::StreamEnd::REASON_JOB_ENDED);
}

TEST_F(FollowJobTest, WatchSurvivesAStreamThatBreaksAtEveryKthMessage) {
  // With one message a call, the job's, no event would ever come.
  for (std::size_t k = 2; k <= kEvents + 2; ++k) {
    asked_for_.clear();
    Play([k](std::uint64_t first) { return Broken(LogFrom(first), k); });
    const Outcome outcome = Watch();
    ExpectWhole(outcome);
    EXPECT_EQ(outcome.jobs, asked_for_.size()) << k;
    EXPECT_TRUE(std::ranges::is_sorted(asked_for_)) << k;
  }
}

TEST_F(FollowJobTest, RunGoesOnAsAWatchOfItsJob) {
  server_.jobs.script = Broken(LogFrom(1), 8);
  Play([](std::uint64_t first) { return Broken(LogFrom(first), 8); });
  v1::RunJobRequest request;
  request.mutable_options()->set_max_batch_events(1);
  ExpectWhole(Drain(client_.Run(std::move(request))));
  EXPECT_THAT(asked_for_, ElementsAre(8, 15));
}

TEST_F(FollowJobTest, ARunThatNamedNoJobIsNotRepeated) {
  server_.jobs.script.status = Lost();
  EXPECT_TRUE(absl::IsUnavailable(Drain(client_.Run({})).status));
  EXPECT_EQ(seen().Get(&Seen::calls), 1U);
}

TEST_F(FollowJobTest, OfDrainingNothingIsSeen) {
  Play([](std::uint64_t first) {
    Script script = LogFrom(first);
    if (first > 1) return script;
    script = Broken(script, 5);
    script.batches.push_back(BatchOf(5, 5));
    script.batches.back().mutable_end()->set_reason(v1::StreamEnd::REASON_DRAINING);
    return script;
  });
  ExpectWhole(Watch());
  EXPECT_THAT(asked_for_, ElementsAre(0, 5));
}

TEST_F(FollowJobTest, WithoutReconnectingTheEndAndTheFailureAreTheCallers) {
  Play([](std::uint64_t first) {
    Script script = Broken(LogFrom(first), 5);
    script.batches.back().mutable_end()->set_reason(v1::StreamEnd::REASON_DRAINING);
    return script;
  });
  const Outcome outcome = Watch({}, {.reconnect_for = {}});
  EXPECT_EQ(outcome.end, v1::StreamEnd::REASON_DRAINING);
  EXPECT_TRUE(absl::IsUnavailable(outcome.status));
  EXPECT_THAT(clock_.waits(), IsEmpty());
}

TEST_F(FollowJobTest, AServerThatRefusesForAWhileIsFoundWhenItIsBack) {
  // The log breaks once; the server goes away while it does, and comes back after three waits.
  Play([](std::uint64_t first) { return first == 1 ? Broken(LogFrom(first), 4) : LogFrom(first); });
  clock_.on_wait = [this](std::size_t number) {
    if (number == 1) server_.Stop();
    if (number == 3) server_.Start();
  };
  ExpectWhole(Watch({}, {.reconnect_for = std::chrono::hours(1'000'000)}));
  EXPECT_THAT(clock_.waits(), SizeIs(Ge(3)));
}

TEST_F(FollowJobTest, AServerThatStaysAwayIsGivenUp) {
  server_.Stop();
  const Outcome outcome = Watch({}, {.reconnect_for = std::chrono::seconds(20)});
  EXPECT_TRUE(absl::IsUnavailable(outcome.status));
  EXPECT_LE(clock_.Now().time_since_epoch(), std::chrono::seconds(20));
  EXPECT_THAT(clock_.waits(), SizeIs(Ge(6)));
}

TEST_F(FollowJobTest, FromNowIsTheFirstCallsOnly) {
  std::vector<bool> from_now;
  server_.jobs.watch_script = [&](const v1::WatchJobRequest& request) {
    from_now.push_back(request.from_now());
    return request.from_now() ? Broken(LogFrom(12), 3) : LogFrom(request.start_sequence());
  };
  v1::WatchJobRequest request;
  request.set_from_now(true);
  EXPECT_EQ(Watch(request).sequences, Numbers(12, kEvents));
  EXPECT_THAT(from_now, ElementsAre(true, false));
}

TEST_F(FollowJobTest, WhatIsNotUnavailableIsFinal) {
  Play([](std::uint64_t first) {
    Script script = Broken(LogFrom(first), 4);
    script.status = grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "expired");
    return script;
  });
  EXPECT_EQ(Watch().status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(seen().Get(&Seen::calls), 1U);
}

TEST_F(FollowJobTest, ARepeatedOrAMissingEventAfterAReconnectIsDataLoss) {
  for (const int shift : {-1, 1}) {
    asked_for_.clear();
    Play([shift](std::uint64_t first) {
      return first == 1 ? Broken(LogFrom(1), 4)
                        : LogFrom(first + static_cast<std::uint64_t>(shift));
    });
    EXPECT_EQ(Watch().status.code(), absl::StatusCode::kDataLoss) << shift;
    EXPECT_THAT(asked_for_, ElementsAre(0, 4));
  }
}

TEST_F(FollowJobTest, AStopEndsTheWaitAtOnce) {
  std::stop_source stop;
  Play([](std::uint64_t first) { return Broken(LogFrom(first), 4); });
  const auto stop_now = [&](const absl::Status&) { stop.request_stop(); };
  const Outcome outcome = Watch({}, {.stop = stop.get_token(), .on_connection_lost = stop_now});
  EXPECT_TRUE(absl::IsCancelled(outcome.status)) << outcome.status;
  EXPECT_EQ(outcome.sequences, Numbers(1, 3));
  EXPECT_EQ(seen().Get(&Seen::calls), 1U);
}

TEST_F(FollowJobTest, ADeadlineEndsTheTrying) {
  server_.Stop();
  const auto soon = std::chrono::system_clock::now() + std::chrono::milliseconds(50);
  const Outcome outcome = Watch({}, {.deadline = soon, .reconnect_for = std::chrono::years(1)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(outcome.status)) << outcome.status;
}

TEST(EventPosition, TakesWhatGoesOnWhereTheLastBatchEnded) {
  EventPosition position(1);
  EXPECT_TRUE(position.Advance(BatchOf(1, 1)).ok());
  EXPECT_TRUE(position.Advance(BatchOf(1, 4)).ok());
  EXPECT_TRUE(position.Advance(BatchOf(4, 5)).ok());
  EXPECT_EQ(position.next(), 5U);
}

TEST(EventPosition, RefusesWhatRepeatsOrLeavesOut) {
  v1::EventBatch goes_back = BatchOf(5, 7);
  goes_back.set_next_sequence(6);
  v1::EventBatch leaps = BatchOf(5, 7);
  leaps.set_next_sequence(8);
  v1::EventBatch hole = BatchOf(5, 7);
  hole.mutable_events(1)->set_sequence(7);
  hole.set_next_sequence(8);
  for (const v1::EventBatch& wrong :
       {goes_back, leaps, hole, BatchOf(4, 6), BatchOf(6, 8), BatchOf(4, 4), BatchOf(6, 6)}) {
    EventPosition position(5);
    EXPECT_EQ(position.Advance(wrong).code(), absl::StatusCode::kDataLoss)
        << wrong.ShortDebugString();
    EXPECT_EQ(position.next(), 5U);
  }
}

TEST(EventPosition, UnknownItBeginsWithTheFirstBatch) {
  EventPosition position(0);
  EXPECT_TRUE(position.Advance(BatchOf(12, 12)).ok());
  EXPECT_EQ(position.Advance(BatchOf(13, 14)).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace sluice
