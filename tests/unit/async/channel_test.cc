#include "pipeline/async/channel.h"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

TEST(Channel, GivesItemsInTheOrderTheyWereSent) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  SyncWait(channel.Send(1));
  SyncWait(channel.Send(2));
  EXPECT_EQ(SyncWait(channel.Receive()), 1);
  EXPECT_EQ(SyncWait(channel.Receive()), 2);
}

TEST(Channel, HandsOverMoveOnlyItems) {
  ManualExecutor executor;
  Channel<std::unique_ptr<int>> channel(executor, 1);
  SyncWait(channel.Send(std::make_unique<int>(1)));
  EXPECT_EQ(**SyncWait(channel.Receive()), 1);
}

Task<> SendUpTo(Channel<int>& channel, int end, int* sent) {
  for (int i = 0; i < end; ++i) {
    co_await channel.Send(i);
    ++*sent;
  }
  channel.Close();
}

TEST(Channel, HoldsNoMoreThanItsCapacityAtAnyStep) {
  constexpr std::size_t kCapacity = 3;
  ManualExecutor executor;
  Channel<int> channel(executor, kCapacity);
  int sent = 0;
  const Started<void> sender(SendUpTo(channel, 50, &sent));
  for (int received = 0; received < 50; ++received) {
    executor.RunAll();
    EXPECT_EQ(sent, std::min<int>(50, received + kCapacity));
    EXPECT_EQ(SyncWait(channel.Receive()), received);
  }
  EXPECT_EQ(SyncWait(channel.Receive()), std::nullopt);
  EXPECT_TRUE(sender.done());
}

TEST(Channel, AReceiverWaitsForAnItem) {
  ManualExecutor executor;
  Channel<int> channel(executor, 1);
  Started receiver(channel.Receive());
  EXPECT_FALSE(receiver.done());
  SyncWait(channel.Send(5));
  executor.RunAll();
  EXPECT_EQ(receiver.Get(), 5);
}

TEST(Channel, AfterCloseReceiversGetWhatIsQueuedThenTheEnd) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  SyncWait(channel.Send(1));
  channel.Close();
  EXPECT_EQ(SyncWait(channel.Receive()), 1);
  EXPECT_EQ(SyncWait(channel.Receive()), std::nullopt);
  EXPECT_THROW(SyncWait(channel.Send(2)), Cancelled);
}

TEST(Channel, AfterCloseWithAnErrorReceiversGetWhatIsQueuedThenTheError) {
  ManualExecutor executor;
  Channel<int> channel(executor, 2);
  SyncWait(channel.Send(1));
  channel.Close(std::make_exception_ptr(std::runtime_error("broken")));
  channel.Close();
  EXPECT_EQ(SyncWait(channel.Receive()), 1);
  EXPECT_THROW(SyncWait(channel.Receive()), std::runtime_error);
  EXPECT_THROW(SyncWait(channel.Receive()), std::runtime_error);
}

TEST(Channel, CloseWakesWhoeverWaits) {
  ManualExecutor executor;
  Channel<int> full(executor, 1);
  SyncWait(full.Send(1));
  Channel<int> empty(executor, 1);
  Started sender(full.Send(2));
  Started receiver(empty.Receive());
  full.Close();
  empty.Close();
  executor.RunAll();
  EXPECT_THROW(sender.Get(), Cancelled);
  EXPECT_EQ(receiver.Get(), std::nullopt);
}

TEST(Channel, AStopWakesWhoeverWaits) {
  ManualExecutor executor;
  std::stop_source stop;
  Channel<int> full(executor, 1, stop.get_token());
  SyncWait(full.Send(1));
  Channel<int> empty(executor, 1, stop.get_token());
  Started sender(full.Send(2));
  Started receiver(empty.Receive());
  stop.request_stop();
  executor.RunAll();
  EXPECT_THROW(sender.Get(), Cancelled);
  EXPECT_THROW(receiver.Get(), Cancelled);
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

TEST(ChannelStress, EveryItemArrivesExactlyOnce) {
  ThreadPool pool(4);
  Channel<int> channel(pool, 4);
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

}  // namespace
}  // namespace sluice
