// The stages that work with a scope. /one_thread: on an InlineExecutor, all of it on one thread.
// /pool_of_two: the processor time of all threads, wherever they meet; work that is far too small
// to be handed to another thread, so that what is left is the price of the hand-over.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/buffer.h"
#include "pipeline/ops/merge.h"
#include "pipeline/ops/retry.h"
#include "pipeline/ops/tee.h"
#include "pipeline/ops/throttle.h"
#include "pipeline/ops/timeout.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/ops/unbatch.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kLimit = 64;

Number Scramble(Number value, const std::stop_token& /*stop*/) {
  return (value ^ (value >> 3)) * 31;
}
Task<Number> ScrambleLater(Number value, std::stop_token stop) { co_return Scramble(value, stop); }

template <typename Place>
void ConcurrentTransform(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) {
    return Sum(Numbers() | TransformConcurrently(scope, kLimit, Scramble));
  });
}
BENCHMARK(ConcurrentTransform<OnOneThread>)
    ->Name("concurrent/TransformConcurrently(64)/one_thread");
BENCHMARK(ConcurrentTransform<OnPoolOfTwo>)
    ->Name("concurrent/TransformConcurrently(64)/pool_of_two")
    ->MeasureProcessCPUTime();

template <typename Place>
void ConcurrentTransformAsCompleted(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) {
    return Sum(Numbers() | TransformConcurrently(scope, kLimit, Scramble, Order::kCompletion));
  });
}
BENCHMARK(ConcurrentTransformAsCompleted<OnOneThread>)
    ->Name("concurrent/TransformConcurrently(64), as completed/one_thread");
BENCHMARK(ConcurrentTransformAsCompleted<OnPoolOfTwo>)
    ->Name("concurrent/TransformConcurrently(64), as completed/pool_of_two")
    ->MeasureProcessCPUTime();

template <typename Place>
void ConcurrentTransformAwaiting(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) {
    return Sum(Numbers() | TransformConcurrently(scope, kLimit, ScrambleLater));
  });
}
BENCHMARK(ConcurrentTransformAwaiting<OnOneThread>)
    ->Name("concurrent/TransformConcurrently(64), awaiting a Task/one_thread");
BENCHMARK(ConcurrentTransformAwaiting<OnPoolOfTwo>)
    ->Name("concurrent/TransformConcurrently(64), awaiting a Task/pool_of_two")
    ->MeasureProcessCPUTime();

template <typename Place>
void ConcurrentBatch(benchmark::State& state) {
  SystemClock clock;
  MeasureInScope<Place>(state, [&clock](JobScope& scope) {
    const BatchOptions options = {.max_items = 256, .max_delay = std::chrono::seconds(10)};
    return Sum(Numbers() | Batch(scope, clock, options) | Unbatch());
  });
}
BENCHMARK(ConcurrentBatch<OnOneThread>)->Name("concurrent/Batch(256), then Unbatch/one_thread");
BENCHMARK(ConcurrentBatch<OnPoolOfTwo>)
    ->Name("concurrent/Batch(256), then Unbatch/pool_of_two")
    ->MeasureProcessCPUTime();

template <typename Place>
void ConcurrentBuffer(benchmark::State& state) {
  MeasureInScope<Place>(state,
                        [](JobScope& scope) { return Sum(Numbers() | Buffer(scope, kLimit)); });
}
BENCHMARK(ConcurrentBuffer<OnOneThread>)->Name("concurrent/Buffer(64)/one_thread");
BENCHMARK(ConcurrentBuffer<OnPoolOfTwo>)
    ->Name("concurrent/Buffer(64)/pool_of_two")
    ->MeasureProcessCPUTime();

template <typename Place>
void ConcurrentMerge(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) {
    return Sum(Merge(scope, Numbers(kItems / 2), Numbers(kItems / 2)));
  });
}
BENCHMARK(ConcurrentMerge<OnOneThread>)->Name("concurrent/Merge of 2/one_thread");
BENCHMARK(ConcurrentMerge<OnPoolOfTwo>)
    ->Name("concurrent/Merge of 2/pool_of_two")
    ->MeasureProcessCPUTime();

Task<> SumInto(AsyncGenerator<Number> source, Number& sum) {
  sum = co_await Sum(std::move(source));
}

// An item counts once, though both branches have it.
Task<Number> SumOfBranches(JobScope& scope) {
  auto branches = Numbers() | Tee(scope, 2, kLimit);
  Number first = 0;
  Number second = 0;
  scope.Spawn(SumInto(std::move(branches[0]), first));
  scope.Spawn(SumInto(std::move(branches[1]), second));
  co_await scope.Join();
  co_return first + second;
}
template <typename Place>
void ConcurrentTee(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) { return SumOfBranches(scope); });
}
BENCHMARK(ConcurrentTee<OnOneThread>)->Name("concurrent/Tee of 2, bound 64/one_thread");
BENCHMARK(ConcurrentTee<OnPoolOfTwo>)
    ->Name("concurrent/Tee of 2, bound 64/pool_of_two")
    ->MeasureProcessCPUTime();

// ---- Those that leave their thread only to wait for time, which they never do here.

void TimedThrottle(benchmark::State& state) {
  SystemClock clock;
  MeasureInScope<OnOneThread>(state, [&clock](JobScope& scope) {
    const ThrottleOptions options = {.per_second = 1e12, .burst = 1e12};
    return Sum(Numbers() | Throttle(scope, clock, options));
  });
}
BENCHMARK(TimedThrottle)->Name("timed/Throttle, never waiting");

void TimedTimeout(benchmark::State& state) {
  SystemClock clock;
  MeasureInScope<OnOneThread>(state, [&clock](JobScope& scope) {
    return Sum(Numbers() | Timeout(scope, clock, std::chrono::seconds(10)));
  });
}
BENCHMARK(TimedTimeout)->Name("timed/Timeout, never late");

RetryOptions ThreeAttempts() {
  return {.max_attempts = 3,
          .initial_backoff = std::chrono::milliseconds(1),
          .max_backoff = std::chrono::seconds(1)};
}

void TimedRetry(benchmark::State& state) {
  SystemClock clock;
  MeasureInScope<OnOneThread>(state, [&clock](JobScope& scope) {
    return Sum(
        Retry(scope, clock, ThreeAttempts(), [](std::uint64_t /*yielded*/) { return Numbers(); }));
  });
}
BENCHMARK(TimedRetry)->Name("timed/Retry, never failing");

Task<Number> Itself(const Number& value) { co_return value; }

void TimedRetryEach(benchmark::State& state) {
  SystemClock clock;
  MeasureInScope<OnOneThread>(state, [&clock](JobScope& scope) {
    return Sum(Numbers() | RetryEach(scope, clock, ThreeAttempts(), Itself));
  });
}
BENCHMARK(TimedRetryEach)->Name("timed/RetryEach, never failing");

}  // namespace
}  // namespace sluice::bench
