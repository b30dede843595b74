#include "pipeline/async/channel.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

template <typename T>
Task<> Send(Channel<T>& channel, std::type_identity_t<T> item) {
  co_await channel.Send(std::move(item));
}

template <typename T>
Task<std::optional<T>> Receive(Channel<T>& channel) {
  co_return co_await channel.Receive();
}

TEST(Channel, GivesItemsInTheOrderTheyWereSent) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  SyncWait(Send(channel, 1));
  SyncWait(Send(channel, 2));
  EXPECT_EQ(SyncWait(Receive(channel)), 1);
  EXPECT_EQ(SyncWait(Receive(channel)), 2);
}

TEST(Channel, HandsOverMoveOnlyItems) {
  ManualExecutor executor;
  Channel<std::unique_ptr<int>> channel(executor, 1);
  SyncWait(Send(channel, std::make_unique<int>(1)));
  EXPECT_EQ(**SyncWait(Receive(channel)), 1);
}

Task<> SendUpTo(Channel<int>& channel, int end, int* sent) {
  for (int i = 0; i < end; ++i) {
    co_await channel.Send(i);
    ++*sent;
  }
  channel.Close();
}

TEST(Channel, HoldsNoMoreThanItsCapacityAtAnyStep) {
  for (const int capacity : {0, 1, 3}) {
    ManualExecutor executor;
    Channel<int> channel(executor, capacity);
    int sent = 0;
    const Started<void> sender(SendUpTo(channel, 50, &sent));
    for (int received = 0; received < 50; ++received) {
      executor.RunAll();
      EXPECT_EQ(sent, std::min(50, received + capacity));
      EXPECT_EQ(SyncWait(Receive(channel)), received);
    }
    executor.RunAll();
    EXPECT_EQ(SyncWait(Receive(channel)), std::nullopt);
    EXPECT_TRUE(sender.done());
  }
}

TEST(Channel, AReceiverWaitsForAnItem) {
  ManualExecutor executor;
  Channel<int> channel(executor, 1);
  Started receiver(Receive(channel));
  EXPECT_FALSE(receiver.done());
  SyncWait(Send(channel, 5));
  EXPECT_FALSE(receiver.done()) << "whoever sends runs no receiver";
  executor.RunAll();
  EXPECT_EQ(receiver.Get(), 5);
}

TEST(Channel, AnItemCountsAsQueuedUntilItsReceiverHasIt) {
  ManualExecutor executor;
  Channel<int> channel(executor, 1);
  Started receiver(Receive(channel));
  SyncWait(Send(channel, 1));
  EXPECT_EQ(channel.TryReceive(), std::nullopt) << "it is promised to the one that waited";
  Started second(Send(channel, 2));
  EXPECT_FALSE(second.done());
  executor.RunAll();
  EXPECT_EQ(receiver.Get(), 1);
  EXPECT_TRUE(second.done());
  EXPECT_EQ(channel.TryReceive(), 2);
}

TEST(Channel, OfCapacityZeroASendEndsWhenAReceiverHasTheItem) {
  ManualExecutor executor;
  Channel<int> channel(executor, 0);
  Started receiver(Receive(channel));
  Started sender(Send(channel, 1));
  EXPECT_FALSE(sender.done());
  EXPECT_TRUE(executor.RunOne());
  EXPECT_EQ(receiver.Get(), 1);
  EXPECT_FALSE(sender.done());
  EXPECT_TRUE(executor.RunOne());
  EXPECT_TRUE(sender.done());
}

TEST(Channel, ReceiversAreServedInTheOrderTheyCame) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  Started first(Receive(channel));
  Started second(Receive(channel));
  SyncWait(Send(channel, 1));
  SyncWait(Send(channel, 2));
  executor.RunAll();
  EXPECT_EQ(first.Get(), 1);
  EXPECT_EQ(second.Get(), 2);
}

TEST(Channel, TrySendTakesTheItemOnlyWhenThereIsRoom) {
  ManualExecutor executor;
  Channel<std::unique_ptr<int>> channel(executor, 1);
  auto one = std::make_unique<int>(1);
  auto two = std::make_unique<int>(2);
  EXPECT_EQ(channel.TrySend(one), SendResult::kTaken);
  EXPECT_EQ(channel.TrySend(two), SendResult::kFull);
  channel.Close();
  EXPECT_EQ(channel.TrySend(two), SendResult::kClosed);
  EXPECT_EQ(*two, 2);
  EXPECT_EQ(**channel.TryReceive(), 1);
  EXPECT_EQ(channel.TryReceive(), std::nullopt);
}

TEST(Channel, TryReceiveMakesRoomForASenderThatWaits) {
  ManualExecutor executor;
  Channel<int> channel(executor, 1);
  SyncWait(Send(channel, 1));
  Started sender(Send(channel, 2));
  EXPECT_EQ(channel.TryReceive(), 1);
  executor.RunAll();
  EXPECT_TRUE(sender.done());
  EXPECT_EQ(channel.TryReceive(), 2);
}

TEST(Channel, AfterCloseReceiversGetWhatIsQueuedThenTheEnd) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  SyncWait(Send(channel, 1));
  channel.Close();
  EXPECT_EQ(SyncWait(Receive(channel)), 1);
  EXPECT_EQ(SyncWait(Receive(channel)), std::nullopt);
  EXPECT_THROW(SyncWait(Send(channel, 2)), Cancelled);
}

TEST(Channel, AfterCloseWithAnErrorReceiversGetWhatIsQueuedThenTheError) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  SyncWait(Send(channel, 1));
  channel.Close(std::make_exception_ptr(std::runtime_error("broken")));
  channel.Close();
  EXPECT_EQ(SyncWait(Receive(channel)), 1);
  EXPECT_THROW(SyncWait(Receive(channel)), std::runtime_error);
  EXPECT_THROW(SyncWait(Receive(channel)), std::runtime_error);
}

TEST(Channel, CloseLosesNothingOfSendersThatWait) {
  for (const std::size_t capacity : {0, 1}) {
    ManualExecutor executor;
    Channel<int> channel(executor, capacity);
    Started first(Send(channel, 1));
    Started second(Send(channel, 2));
    channel.Close();
    EXPECT_EQ(SyncWait(Receive(channel)), 1);
    EXPECT_EQ(SyncWait(Receive(channel)), 2);
    EXPECT_EQ(SyncWait(Receive(channel)), std::nullopt);
    executor.RunAll();
    EXPECT_NO_THROW(first.Get());
    EXPECT_NO_THROW(second.Get());
  }
}

TEST(Channel, CloseWakesReceiversThatWait) {
  ManualExecutor executor;
  Channel<int> channel(executor, 1);
  Started receiver(Receive(channel));
  channel.Close();
  executor.RunAll();
  EXPECT_EQ(receiver.Get(), std::nullopt);
}

TEST(Channel, AbandonedFreesItsItemsAndCancelsSenders) {
  ManualExecutor executor;
  Channel<std::shared_ptr<int>> channel(executor, 1);
  const auto item = std::make_shared<int>(1);
  SyncWait(Send(channel, item));
  Started waiting(Send(channel, item));
  channel.Abandon();
  executor.RunAll();
  EXPECT_THROW(waiting.Get(), Cancelled);
  EXPECT_EQ(item.use_count(), 1);
  EXPECT_THROW(SyncWait(Send(channel, item)), Cancelled);
  channel.Close();
  EXPECT_THROW(SyncWait(Receive(channel)), Cancelled) << "a cut sequence must not look complete";
}

TEST(Channel, AStopWakesWhoeverWaits) {
  ManualExecutor executor;
  std::stop_source stop;
  Channel<int> full(executor, 1, stop.get_token());
  SyncWait(Send(full, 1));
  Channel<int> empty(executor, 1, stop.get_token());
  Started sender(Send(full, 2));
  Started receiver(Receive(empty));
  stop.request_stop();
  executor.RunAll();
  EXPECT_THROW(sender.Get(), Cancelled);
  EXPECT_THROW(receiver.Get(), Cancelled);
}

TEST(Channel, AfterAStopOnlyWhatWouldWaitIsCancelled) {
  ManualExecutor executor;
  std::stop_source stop;
  stop.request_stop();
  Channel<int> channel(executor, 1, stop.get_token());
  EXPECT_THROW(SyncWait(Receive(channel)), Cancelled);
  EXPECT_NO_THROW(SyncWait(Send(channel, 1)));
  EXPECT_THROW(SyncWait(Send(channel, 2)), Cancelled);
  EXPECT_EQ(SyncWait(Receive(channel)), 1);
}

TEST(Channel, AStopTakesBackTheItemPromisedByASenderThatWaits) {
  ManualExecutor executor;
  std::stop_source stop;
  Channel<int> channel(executor, 0, stop.get_token());
  Started receiver(Receive(channel));
  Started sender(Send(channel, 1));
  stop.request_stop();
  executor.RunAll();
  EXPECT_THROW(receiver.Get(), Cancelled);
  EXPECT_THROW(sender.Get(), Cancelled);
}

TEST(Channel, PassesItemsWithoutAllocating) {
  ManualExecutor executor;
  Channel<int> channel(executor, 4);
  int sent = 0;
  std::uint64_t allocations = 0;
  const Started<void> sender(SendUpTo(channel, 2'000, &sent));
  const auto drain = [](Channel<int>& from, std::uint64_t& counted) -> Task<> {
    for (int i = 0; i < 1'000; ++i) co_await from.Receive();
    const std::uint64_t before = AllocationCount();
    for (int i = 0; i < 500; ++i) co_await from.Receive();
    counted = AllocationCount() - before;
    while (co_await from.Receive()) continue;
  };
  const Started<void> receiver(drain(channel, allocations));
  executor.RunAll();
  EXPECT_TRUE(receiver.done());
  EXPECT_LE(allocations, 16U) << "what is left is the executor's queue, which grows in blocks";
}

constexpr int kSenders = 3;
constexpr int kItemsEach = 2'000;

Task<> SendRange(Channel<int>& channel, std::atomic<int>& senders_left, int first) {
  for (int i = first; i < first + kItemsEach; ++i) co_await channel.Send(i);
  if (--senders_left == 0) channel.Close();
}

Task<> MarkReceived(Channel<int>& channel, std::vector<std::atomic<int>>& times_received) {
  while (auto item = co_await channel.Receive()) ++times_received[*item];
}

void ExpectEveryItemOnce(std::size_t capacity) {
  ThreadPool pool(4);
  Channel<int> channel(pool, capacity);
  std::vector<std::atomic<int>> times_received(kSenders * kItemsEach);
  std::atomic<int> senders_left = kSenders;
  JobScope scope(pool);
  for (int i = 0; i < kSenders; ++i) {
    scope.Spawn(SendRange(channel, senders_left, i * kItemsEach));
    scope.Spawn(MarkReceived(channel, times_received));
  }
  SyncWait(scope.Join());
  for (const auto& times : times_received) ASSERT_EQ(times, 1);
}

TEST(ChannelStress, EveryItemArrivesExactlyOnce) { ExpectEveryItemOnce(4); }

TEST(ChannelStress, EveryItemArrivesExactlyOnceAtARendezvous) { ExpectEveryItemOnce(0); }

enum class End { kStop, kAbandon, kClose };

// Both sides in full swing when the channel ends in one of its ways. Returns when all are gone.
void RaceWithEnd(ThreadPool& pool, std::size_t capacity, End end) {
  std::stop_source stop;
  Channel<int> channel(pool, capacity, stop.get_token());
  std::vector<std::atomic<int>> times_received(kSenders * kItemsEach);
  std::atomic<int> senders_left = kSenders + 1;  // Nobody closes it but this function.
  JobScope scope(pool, stop.get_token());
  for (int i = 0; i < kSenders; ++i) {
    scope.Spawn(SendRange(channel, senders_left, i * kItemsEach));
    scope.Spawn(MarkReceived(channel, times_received));
  }
  while (times_received[0] == 0) std::this_thread::yield();
  if (end == End::kStop) stop.request_stop();
  if (end == End::kAbandon) channel.Abandon();
  if (end == End::kClose) channel.Close();
  try {
    SyncWait(scope.Join());
  } catch (const Cancelled&) {
    EXPECT_NE(end, End::kStop);
  }
  for (const auto& times : times_received) ASSERT_LE(times, 1);
}

TEST(ChannelStress, AnyEndLetsEverybodyGo) {
  ThreadPool pool(4);
  for (int round = 0; round < 60; ++round) {
    for (const End end : {End::kStop, End::kAbandon, End::kClose}) {
      RaceWithEnd(pool, round % 3, end);
    }
  }
}

}  // namespace
}  // namespace sluice
