#ifndef SLUICE_TESTS_BENCH_ITEMS_H_
#define SLUICE_TESTS_BENCH_ITEMS_H_

#include <cstdint>
#include <ranges>
#include <utility>

#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/from_range.h"
#include "tests/unit/async/allocation_count.h"

// What the benchmarks of the generator library share: the items, their consumer, and the counters.
// A benchmark's name is group/what[/where]; scripts/bench makes a table of each group.

namespace sluice::bench {

using Number = std::int64_t;

constexpr Number kItems = 1 << 17;

inline AsyncGenerator<Number> Numbers(Number count = kItems) {
  return FromRange(std::views::iota(Number{0}, count));
}

inline Task<Number> Sum(AsyncGenerator<Number> source) {
  Number sum = 0;
  while (auto item = co_await source.Next()) sum += *item;
  co_return sum;
}

// The same for items that are no numbers: each is used, so that none is optimized away.
template <typename T>
Task<Number> Use(AsyncGenerator<T> source) {
  Number count = 0;
  while (auto item = co_await source.Next()) {
    benchmark::DoNotOptimize(*item);
    ++count;
  }
  co_return count;
}

// Measures `run`, through which `count` items pass. What it allocates once, the frames of its
// coroutines say, counts too: divided by kItems that is next to nothing.
template <typename Run>
void MeasureItems(benchmark::State& state, Run run, Number count = kItems) {
  const std::uint64_t allocated_before = AllocationCount();
  for (auto _ : state) benchmark::DoNotOptimize(run());
  const double items = static_cast<double>(state.iterations()) * static_cast<double>(count);
  const auto allocations = static_cast<double>(AllocationCount() - allocated_before);
  state.counters["time_per_item"] =
      benchmark::Counter(items, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations_per_item"] = allocations / items;
}

// The same for a task that never leaves the thread.
template <typename Make>
void MeasureSequence(benchmark::State& state, Make make) {
  MeasureItems(state, [&make] { return SyncWait(make()); });
}

// Where the children of a scope run.
class OnOneThread final {
 public:
  Executor& executor() { return executor_; }
  template <typename T>
  T Run(Task<T> task) {
    return executor_.Run(std::move(task));
  }

 private:
  InlineExecutor executor_;
};

class OnPoolOfTwo final {
 public:
  Executor& executor() { return pool_; }
  template <typename T>
  T Run(Task<T> task) {
    return SyncWait(std::move(task));
  }

 private:
  ThreadPool pool_{2};
};

// Measures the task that `make(JobScope&)` gives, in a scope of its own each time.
template <typename Place, typename Make>
void MeasureInScope(benchmark::State& state, Make make) {
  Place place;
  MeasureItems(state, [&place, &make] {
    JobScope scope(place.executor());
    const Number result = place.Run(make(scope));
    place.Run(scope.Join());
    return result;
  });
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_ITEMS_H_
