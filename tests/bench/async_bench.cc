// What an item costs on its way through a pipeline: time_per_item and allocations_per_item.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <stop_token>

#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/ops/unbatch.h"
#include "tests/unit/async/allocation_count.h"

namespace sluice {
namespace {

using Number = std::int64_t;

constexpr Number kItems = 100'000;

bool IsMultipleOfThree(Number value) { return value % 3 == 0; }
Number Scramble(Number value) { return (value ^ (value >> 3)) * 31; }
Task<Number> ScrambleLater(Number value) { co_return Scramble(value); }
Task<Number> ScrambleBeside(Number value, std::stop_token /*stop*/) { co_return Scramble(value); }

AsyncGenerator<Number> Numbers() { return FromRange(std::views::iota(Number{0}, kItems)); }

Task<Number> Sum(AsyncGenerator<Number> source) {
  Number sum = 0;
  while (auto item = co_await source.Next()) sum += *item;
  co_return sum;
}

// Measures `run`, a function that gives kItems items to a sum and returns it.
template <typename Run>
void MeasureItems(benchmark::State& state, Run run) {
  const std::uint64_t allocated_before = AllocationCount();
  for (auto _ : state) benchmark::DoNotOptimize(run());
  const double items = static_cast<double>(state.iterations()) * kItems;
  const auto allocations = static_cast<double>(AllocationCount() - allocated_before);
  state.counters["time_per_item"] =
      benchmark::Counter(items, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations_per_item"] = allocations / items;
}

void HandWrittenLoop(benchmark::State& state) {
  MeasureItems(state, [] {
    Number sum = 0;
    for (Number i = 0; i < kItems; ++i) {
      benchmark::DoNotOptimize(i);
      if (IsMultipleOfThree(i)) sum += Scramble(i);
    }
    return sum;
  });
}
BENCHMARK(HandWrittenLoop);

void BareGenerator(benchmark::State& state) {
  MeasureItems(state, [] { return SyncWait(Sum(Numbers())); });
}
BENCHMARK(BareGenerator);

void FilterThenTransform(benchmark::State& state) {
  MeasureItems(state, [] {
    return SyncWait(Sum(Numbers() | Filter(IsMultipleOfThree) | Transform(Scramble)));
  });
}
BENCHMARK(FilterThenTransform);

void TransformAwaitingATask(benchmark::State& state) {
  MeasureItems(state, [] { return SyncWait(Sum(Numbers() | Transform(ScrambleLater))); });
}
BENCHMARK(TransformAwaitingATask);

// Pumped by one thread, summed by another; the argument is max_items.
void BatchThenUnbatch(benchmark::State& state) {
  const BatchOptions options = {.max_items = static_cast<std::size_t>(state.range(0)),
                                .max_delay = std::chrono::milliseconds(50)};
  ThreadPool pool(2);
  SystemClock clock;
  MeasureItems(state, [&] {
    JobScope scope(pool);
    const Number sum = SyncWait(Sum(Numbers() | Batch(scope, clock, options) | Unbatch()));
    SyncWait(scope.Join());
    return sum;
  });
}
BENCHMARK(BatchThenUnbatch)->Arg(16)->Arg(256)->Arg(4096)->UseRealTime();

// Work that is far too small to be worth a child: what is left is the price of one.
void TransformConcurrentlyOf(benchmark::State& state) {
  const auto limit = static_cast<std::size_t>(state.range(0));
  ThreadPool pool(2);
  MeasureItems(state, [&] {
    JobScope scope(pool);
    const Number sum =
        SyncWait(Sum(Numbers() | TransformConcurrently(scope, limit, ScrambleBeside)));
    SyncWait(scope.Join());
    return sum;
  });
}
BENCHMARK(TransformConcurrentlyOf)->Arg(1)->Arg(8)->Arg(64)->UseRealTime();

}  // namespace
}  // namespace sluice
