#include "server/jobs/event_log.h"

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "tests/unit/async/started.h"
#include "tests/unit/jobs/fake_catalog.h"

namespace sluice {
namespace {

class EventLogTest : public testing::Test, public EventLog::WaitObserver {
 protected:
  // Stores and publishes `count` events, as a runner does.
  void Append(std::size_t count, std::size_t payload_bytes = 8) {
    EventLog::Chunk chunk;
    for (std::size_t i = 0; i < count; ++i) {
      chunk.push_back(
          {.sequence = ++last_,
           .time_ns = 0,
           .event = EventPayload{.kind = 5, .payload = std::string(payload_bytes, 'x')}});
    }
    ASSERT_TRUE(catalog_.AppendEvents({.id = "job", .last_sequence = last_}, chunk).ok());
    log_->Publish(std::move(chunk));
  }
  void OnWaiting(bool waiting) override { waiting_ = waiting; }

  Started<void> WaitForRoom(std::uint64_t ahead) {
    return Started<void>(log_->WaitForRoom(executor_, ahead, stop_.get_token(), *this));
  }

  FakeCatalog catalog_;
  ManualExecutor executor_;
  std::stop_source stop_;
  std::shared_ptr<EventLog> log_ = std::make_shared<EventLog>(catalog_, "job", EventLog::Extent{});
  std::uint64_t last_ = 0;
  bool waiting_ = false;
};

TEST_F(EventLogTest, NewEventsAreReadWithoutTheCatalog) {
  Append(3);
  Append(2);
  const auto slice = log_->Read(2);
  ASSERT_TRUE(slice.ok());
  EXPECT_EQ(slice->events.size(), 2U);
  EXPECT_EQ(slice->events.front().sequence, 2U);
  EXPECT_EQ(log_->Read(4)->events.front().sequence, 4U);
  EXPECT_EQ(catalog_.reads(), 0U);
}

TEST_F(EventLogTest, ReadingBeyondTheLastEventGivesNone) {
  Append(3);
  EXPECT_TRUE(log_->Read(4)->events.empty());
}

TEST_F(EventLogTest, WhatLeftTheRingIsReadFromTheCatalogWithoutAGap) {
  for (std::size_t i = 0; i < 3 * EventLog::kRingEvents / 100; ++i) Append(100);
  std::uint64_t next = 1;
  while (next <= last_) {
    const auto slice = log_->Read(next);
    ASSERT_TRUE(slice.ok());
    for (const EventRecord& event : slice->events) ASSERT_EQ(event.sequence, next++);
  }
  EXPECT_GT(catalog_.reads(), 0U);
}

TEST_F(EventLogTest, RingIsBoundedInBytes) {
  Append(1, EventLog::kRingBytes);
  Append(1, EventLog::kRingBytes);
  EXPECT_EQ(log_->Read(1)->events.size(), 2U);
  EXPECT_EQ(catalog_.reads(), 1U) << "the first chunk should have left the ring";
}

TEST_F(EventLogTest, ReadersOfExpiredEventsLearnWhichAreKept) {
  Append(3);
  log_->Expire();
  const absl::Status expired = log_->Read(2).status();
  EXPECT_TRUE(absl::IsOutOfRange(expired)) << expired;
  EXPECT_TRUE(log_->Read(4)->events.empty()) << "whoever has read all of it is not too late";
  EXPECT_EQ(log_->extent().oldest, 4U);
}

TEST_F(EventLogTest, ReadersOfADeletedJobGetItsError) {
  Append(3);
  log_->Fail(absl::NotFoundError("gone"));
  EXPECT_TRUE(absl::IsNotFound(log_->Read(1).status()));
}

TEST_F(EventLogTest, WriterWaitsWhileNobodyIsSubscribed) {
  Started<void> room = WaitForRoom(10);
  EXPECT_FALSE(room.done());
  EXPECT_TRUE(waiting_);
  EventLog::Subscription reader(log_, 1);
  executor_.RunAll();
  EXPECT_TRUE(room.done());
  EXPECT_FALSE(waiting_);
}

TEST_F(EventLogTest, WriterIsHeldBackByTheSlowestSubscription) {
  EventLog::Subscription fast(log_, 1);
  EventLog::Subscription slow(log_, 1);
  Append(11);
  fast.MoveTo(12);
  Started<void> room = WaitForRoom(10);
  executor_.RunAll();
  EXPECT_FALSE(room.done()) << "11 events ahead of the slow one";
  slow.MoveTo(2);
  executor_.RunAll();
  EXPECT_TRUE(room.done());
}

TEST_F(EventLogTest, SubscriptionThatGoesAwayHoldsNobodyBack) {
  EventLog::Subscription fast(log_, 1);
  auto slow = std::make_unique<EventLog::Subscription>(log_, 1);
  Append(5);
  fast.MoveTo(6);
  Started<void> room = WaitForRoom(0);
  EXPECT_FALSE(room.done());
  slow.reset();
  executor_.RunAll();
  EXPECT_TRUE(room.done());
}

TEST_F(EventLogTest, StopEndsTheWaitForRoom) {
  Started<void> room = WaitForRoom(10);
  stop_.request_stop();
  executor_.RunAll();
  ASSERT_TRUE(room.done());
  EXPECT_THROW(room.Get(), Cancelled);
}

}  // namespace
}  // namespace sluice
