// The types that carry a pipeline.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/channel.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/device_lanes.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/transform.h"
#include "tests/docs/guide.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""s;

// [AsyncGenerator]
AsyncGenerator<int> Integers() {
  for (int i = 1;; ++i) co_yield i;
}

AsyncGenerator<int> Squares(AsyncGenerator<int> source) {
  while (auto value = co_await source.Next()) co_yield *value** value;
}

Task<int> SumOfSquaresBelow(int limit) {
  int sum = 0;
  auto squares = Squares(Integers());
  while (auto square = co_await squares.Next()) {
    if (*square >= limit) break;
    sum += *square;
  }
  co_return sum;
}
// [/AsyncGenerator]

TEST(Types, AsyncGenerator) {
  // [SyncWait]
  EXPECT_EQ(SyncWait(SumOfSquaresBelow(20)), 1 + 4 + 9 + 16);
  // [/SyncWait]
}

TEST_F(Guide, Pipe) {
  // [Pipe]
  const auto is_odd = [](int number) { return number % 2 == 1; };
  const auto square = [](int number) { return number * number; };
  EXPECT_EQ(All(Integers() | Filter(is_odd) | Transform(square) | Take(3)), Numbers({1, 9, 25}));
  // [/Pipe]
}

// [Task]
Task<std::string> ReadPage(int number) { co_return "page " + std::to_string(number); }

Task<std::size_t> BytesOfTwoPages() {
  const std::string first = co_await ReadPage(1);
  const std::string second = co_await ReadPage(2);
  co_return first.size() + second.size();
}
// [/Task]

TEST(Types, Task) { EXPECT_EQ(SyncWait(BytesOfTwoPages()), 12U); }

// [JobScope]
Task<> AddOnAThread(Executor& executor, std::atomic<int>& sum, int number) {
  co_await executor.Schedule();  // From here on: a thread of the pool.
  sum += number;
}

int SumOnTwoThreads() {
  ThreadPool pool(2);
  JobScope scope(pool);
  std::atomic<int> sum = 0;
  for (int number = 1; number <= 10; ++number) scope.Spawn(AddOnAThread(pool, sum, number));
  SyncWait(scope.Join());
  return sum;
}
// [/JobScope]

TEST(Types, JobScope) { EXPECT_EQ(SumOnTwoThreads(), 55); }

// [Clock]
AsyncGenerator<int> Ticks(Executor& executor, Clock& clock, std::stop_token stop) {
  for (int tick = 1;; ++tick) {
    co_await Sleep(executor, clock, 1s, stop);
    co_yield tick;
  }
}
// [/Clock]

TEST_F(Guide, Clock) {
  LetTimePass();
  const Clock::TimePoint start = clock.Now();
  EXPECT_EQ(All(Ticks(executor, clock, scope.stop_token()) | Take(2)), Numbers({1, 2}));
  EXPECT_EQ(clock.Now() - start, 2s);
}

// [Channel]
Task<> Produce(Channel<int>& channel) {
  for (int i = 1; i <= 100; ++i) co_await channel.Send(i);  // Waits while four are queued.
  channel.Close();
}

Task<int> Consume(Channel<int>& channel) {
  int sum = 0;
  while (auto number = co_await channel.Receive()) sum += *number;
  co_return sum;
}
// [/Channel]

TEST_F(Guide, Channel) {
  // [Channel-use]
  Channel<int> channel(executor, /*capacity=*/4, scope.stop_token());
  scope.Spawn(Produce(channel));
  EXPECT_EQ(Run(Consume(channel)), 5050);
  // [/Channel-use]
  Run(scope.Join());
}

// [Cancellation]
AsyncGenerator<int> UntilStopped(std::stop_token stop) {
  for (int i = 1;; ++i) {
    ThrowIfStopRequested(stop);
    co_yield i;
  }
}

Task<bool> IsCancelledNotEnded(AsyncGenerator<int> numbers, std::stop_source stop) {
  co_await numbers.Next();
  stop.request_stop();
  try {
    co_await numbers.Next();
  } catch (const Cancelled&) {
    co_return true;
  }
  co_return false;
}
// [/Cancellation]

TEST(Types, Cancellation) {
  const std::stop_source stop;
  EXPECT_TRUE(SyncWait(IsCancelledNotEnded(UntilStopped(stop.get_token()), stop)));
}

}  // namespace
}  // namespace sluice
