#include "pipeline/async/signal.h"

#include <atomic>
#include <chrono>
#include <stop_token>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""s;

Task<Wake> WaitOn(Signal& signal, Executor& executor, std::uint64_t seen, WaitLimits limits = {}) {
  co_return co_await signal.Wait(executor, seen, std::move(limits));
}

TEST(Signal, WakesEveryWaiterOnTheExecutor) {
  ManualExecutor executor;
  Signal signal;
  Started first(WaitOn(signal, executor, signal.count()));
  Started second(WaitOn(signal, executor, signal.count()));
  EXPECT_EQ(executor.RunAll(), 0U);
  signal.Notify();
  EXPECT_FALSE(first.done()) << "whoever notifies runs no waiter";
  EXPECT_EQ(executor.RunAll(), 2U);
  EXPECT_EQ(first.Get(), Wake::kNotified);
  EXPECT_EQ(second.Get(), Wake::kNotified);
}

TEST(Signal, DoesNotWaitWhenNotifiedSinceTheCountWasSeen) {
  ManualExecutor executor;
  Signal signal;
  const std::uint64_t seen = signal.count();
  signal.Notify();
  Started wait(WaitOn(signal, executor, seen));
  EXPECT_TRUE(wait.done());
  EXPECT_EQ(wait.Get(), Wake::kNotified);
}

TEST(Signal, TimesOutAtTheDeadline) {
  ManualExecutor executor;
  ManualClock clock;
  Signal signal;
  Started wait(WaitOn(signal, executor, 0, {.clock = &clock, .deadline = clock.Now() + 2s}));
  clock.Advance(1s);
  EXPECT_EQ(executor.RunAll(), 0U);
  clock.Advance(1s);
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_EQ(wait.Get(), Wake::kTimedOut);
}

TEST(Signal, DisarmsTheDeadlineWhenNotified) {
  ManualExecutor executor;
  ManualClock clock;  // Asserts in its destructor that no alarm is armed.
  Signal signal;
  Started wait(WaitOn(signal, executor, 0, {.clock = &clock, .deadline = clock.Now() + 2s}));
  signal.Notify();
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_EQ(wait.Get(), Wake::kNotified);
  clock.Advance(3s);
  EXPECT_EQ(executor.RunAll(), 0U);
}

TEST(Signal, WakesOnceWhenSeveralReasonsCoincide) {
  ManualExecutor executor;
  ManualClock clock;
  Signal signal;
  std::stop_source stop;
  Started wait(WaitOn(signal, executor, 0,
                      {.stop = stop.get_token(), .clock = &clock, .deadline = clock.Now() + 1s}));
  clock.Advance(1s);
  stop.request_stop();
  signal.Notify();
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_EQ(wait.Get(), Wake::kTimedOut) << "the first reason counts";
}

TEST(Signal, IsWokenByAStop) {
  ManualExecutor executor;
  Signal signal;
  std::stop_source stop;
  Started wait(WaitOn(signal, executor, 0, {.stop = stop.get_token()}));
  stop.request_stop();
  EXPECT_EQ(executor.RunAll(), 1U);
  EXPECT_EQ(wait.Get(), Wake::kStopped);
}

TEST(Signal, DoesNotSuspendWhenStoppedBeforeTheWait) {
  ManualExecutor executor;
  Signal signal;
  std::stop_source stop;
  stop.request_stop();
  Started wait(WaitOn(signal, executor, 0, {.stop = stop.get_token()}));
  EXPECT_TRUE(wait.done());
  EXPECT_EQ(wait.Get(), Wake::kStopped);
}

// One side sets the value and notifies, the other waits for each in turn: a missed notification
// would leave both waiting, and the test would meet its time limit.
struct PingPong {
  std::atomic<int> value = 0;
  Signal changed;
};

Task<> Play(PingPong& game, Executor& executor, int parity, int rounds) {
  for (int i = parity; i < rounds; i += 2) {
    std::uint64_t seen = game.changed.count();
    while (game.value != i) {
      co_await game.changed.Wait(executor, seen);
      seen = game.changed.count();
    }
    game.value = i + 1;
    game.changed.Notify();
  }
}

TEST(SignalStress, MissesNoNotificationBetweenTwoThreads) {
  ThreadPool pool(2);
  PingPong game;
  JobScope scope(pool);
  scope.Spawn(Play(game, pool, 0, 10'000));
  scope.Spawn(Play(game, pool, 1, 10'000));
  SyncWait(scope.Join());
  EXPECT_EQ(game.value, 10'000);
}

struct Wakes {
  std::atomic<int> notified = 0;
  std::atomic<int> timed_out = 0;
  std::atomic<int> stopped = 0;
};

Task<> WaitBriefly(Signal& signal, Executor& executor, Clock& clock, std::stop_token stop,
                   Wakes& wakes) {
  const auto deadline = clock.Now() + std::chrono::microseconds(20);
  switch (co_await signal.Wait(executor, signal.count(), {stop, &clock, deadline})) {
    case Wake::kNotified:
      ++wakes.notified;
      break;
    case Wake::kTimedOut:
      ++wakes.timed_out;
      break;
    case Wake::kStopped:
      ++wakes.stopped;
      break;
  }
}

Task<> NotifyOnce(Signal& signal) {
  signal.Notify();
  co_return;
}

Task<> StopOnce(std::stop_source stop) {
  stop.request_stop();
  co_return;
}

// Three ways to be woken, raced against each other and against the arming of the wait.
TEST(SignalStress, WakesEachWaiterExactlyOnceHoweverItIsRaced) {
  constexpr int kRounds = 500;
  constexpr int kWaiters = 4;
  ThreadPool pool(4);
  SystemClock clock;
  Wakes wakes;
  for (int round = 0; round < kRounds; ++round) {
    Signal signal;
    JobScope scope(pool);
    std::stop_source stop;
    for (int i = 0; i < kWaiters; ++i) {
      scope.Spawn(WaitBriefly(signal, pool, clock, stop.get_token(), wakes));
      if (i == round % kWaiters) scope.Spawn(NotifyOnce(signal));
      if (i == round / kWaiters % kWaiters) scope.Spawn(StopOnce(stop));
    }
    SyncWait(scope.Join());
  }
  EXPECT_EQ(wakes.notified + wakes.timed_out + wakes.stopped, kRounds * kWaiters);
}

}  // namespace
}  // namespace sluice
