// The parts that everything else is made of: a generator by itself, a task, a channel, a look at
// the clock.

#include <cstddef>

#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/channel.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kCapacity = 64;

AsyncGenerator<Number> PlainNumbers() {
  for (Number i = 0; i < kItems; ++i) co_yield Number{i};
}

Task<Number> Itself(Number value) { co_return value; }

Task<Number> SumOfTasks() {
  Number sum = 0;
  for (Number i = 0; i < kItems; ++i) sum += co_await Itself(i);
  co_return sum;
}

Task<> SendNumbers(Channel<Number>& channel) {
  for (Number i = 0; i < kItems; ++i) co_await channel.Send(i);
  channel.Close();
}

Task<Number> SumThroughChannel(JobScope& scope) {
  Channel<Number> channel(scope.executor(), kCapacity);
  scope.Spawn(SendNumbers(channel));
  Number sum = 0;
  while (auto item = co_await channel.Receive()) sum += *item;
  co_await scope.Join();
  co_return sum;
}

void Generator(benchmark::State& state) {
  MeasureSequence(state, [] { return Sum(PlainNumbers()); });
}
BENCHMARK(Generator)->Name("parts/AsyncGenerator");

void TaskForEachItem(benchmark::State& state) {
  MeasureSequence(state, [] { return SumOfTasks(); });
}
BENCHMARK(TaskForEachItem)->Name("parts/Task");

void LookAtTheClock(benchmark::State& state) {
  const SystemClock clock;
  MeasureItems(state, [&clock] {
    for (Number i = 0; i < kItems; ++i) benchmark::DoNotOptimize(clock.Now());
    return kItems;
  });
}
BENCHMARK(LookAtTheClock)->Name("parts/SystemClock::Now");

template <typename Place>
void ChannelOf64(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) { return SumThroughChannel(scope); });
}
BENCHMARK(ChannelOf64<OnOneThread>)->Name("parts/Channel/one_thread");
BENCHMARK(ChannelOf64<OnPoolOfTwo>)->Name("parts/Channel/pool_of_two")->MeasureProcessCPUTime();

}  // namespace
}  // namespace sluice::bench
