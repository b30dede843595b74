#include "client/reconnection.h"

#include <chrono>
#include <optional>

#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

#include "client/error_details.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/client/impatient_clock.h"

namespace sluice::internal {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint32_t kSeed = 7;  // What is claimed holds for any.

const absl::Status& Unavailable() {
  static const auto* const status = new absl::Status(absl::UnavailableError("gone"));
  return *status;
}

absl::Status UnavailableFor(std::int64_t delay_seconds) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(delay_seconds);
  google::rpc::Status status;
  status.add_details()->PackFrom(retry);
  return FromGrpcStatus({grpc::StatusCode::UNAVAILABLE, "draining", status.SerializeAsString()});
}

class ReconnectionTest : public testing::Test {
 protected:
  Reconnection Make(CallOptions options = {}) {
    return Reconnection(executor_, clock_, std::move(options), kSeed);
  }

  InlineExecutor executor_;
  ImpatientClock clock_;
};

TEST_F(ReconnectionTest, CallThatTheServerCancelledIsTriedAgainAndOnesOwnIsNot) {
  std::stop_source stop;
  const Reconnection reconnection = Make({.stop = stop.get_token()});
  EXPECT_TRUE(absl::IsUnavailable(reconnection.FailureOfCancelled()));
  stop.request_stop();
  EXPECT_THROW((void)reconnection.FailureOfCancelled(), Cancelled);
}

TEST_F(ReconnectionTest, WaitsGrowToTheirBoundAndAreMadeLongerByChanceOnly) {
  Reconnection reconnection = Make({.reconnect_for = hours(1)});
  Clock::Duration least = Reconnection::kInitialBackoff;
  for (int i = 0; i < 20; ++i) {
    const std::optional<Clock::Duration> wait = reconnection.WaitAfter(Unavailable());
    ASSERT_TRUE(wait);
    EXPECT_GE(*wait, least);
    EXPECT_LE(*wait, least + least / 2);
    least = std::min(least * Reconnection::kMultiplier, Reconnection::kMaxBackoff);
  }
}

TEST_F(ReconnectionTest, AfterASuccessAllCountsAnew) {
  Reconnection reconnection = Make({.reconnect_for = seconds(10)});
  for (int i = 0; i < 100; ++i) {
    SyncWait(reconnection.BeforeNextCall(Unavailable()));
    EXPECT_LE(clock_.waits().back(), Reconnection::kInitialBackoff * 3 / 2);
    reconnection.Succeeded();
  }
}

TEST_F(ReconnectionTest, WhatTheServerAsksForIsTheLeastWait) {
  Reconnection reconnection = Make();
  const std::optional<Clock::Duration> wait = reconnection.WaitAfter(UnavailableFor(7));
  ASSERT_TRUE(wait);
  EXPECT_GE(*wait, seconds(7));
  EXPECT_EQ(reconnection.WaitAfter(UnavailableFor(61)), std::nullopt);
}

TEST_F(ReconnectionTest, GivesUpWithTheLastFailureWhenItsTimeIsOver) {
  Reconnection reconnection = Make({.reconnect_for = minutes(1)});
  try {
    while (true) SyncWait(reconnection.BeforeNextCall(Unavailable()));
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status(), Unavailable());
  }
  EXPECT_LE(clock_.Now().time_since_epoch(), minutes(1));
  EXPECT_GE(clock_.Now().time_since_epoch(), minutes(1) - Reconnection::kMaxBackoff);
}

TEST_F(ReconnectionTest, OnlyUnavailableIsTriedAgainAndThatOnlyOnRequest) {
  EXPECT_EQ(Make({.reconnect_for = {}}).WaitAfter(Unavailable()), std::nullopt);
  for (const absl::Status& final : {absl::DataLossError(""), absl::CancelledError(""),
                                    absl::ResourceExhaustedError(""), absl::InternalError("")}) {
    EXPECT_EQ(Make().WaitAfter(final), std::nullopt) << final;
  }
}

TEST_F(ReconnectionTest, TellsOfEachLossOnce) {
  int losses = 0;
  Reconnection reconnection = Make({.on_connection_lost = [&](const absl::Status&) { ++losses; }});
  for (int i = 1; i <= 3; ++i) {
    for (int failures = 0; failures < 5; ++failures) {
      SyncWait(reconnection.BeforeNextCall(Unavailable()));
    }
    EXPECT_EQ(losses, i);
    reconnection.Succeeded();
  }
}

TEST_F(ReconnectionTest, AWaitEndsWithTheStopAndIsCutByTheDeadline) {
  std::stop_source stop;
  stop.request_stop();
  Reconnection stopped = Make({.stop = stop.get_token()});
  EXPECT_THROW(SyncWait(stopped.BeforeNextCall(Unavailable())), Cancelled);

  Reconnection late = Make({.deadline = std::chrono::system_clock::now()});
  SyncWait(late.BeforeNextCall(Unavailable()));
  EXPECT_EQ(clock_.waits().size(), 0U);
}

}  // namespace
}  // namespace sluice::internal
