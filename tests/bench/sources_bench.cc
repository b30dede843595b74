// Sources and sinks: what an item costs that no stage touches.

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/concat.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_callbacks.h"
#include "pipeline/ops/from_pull.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/reduce.h"
#include "pipeline/ops/zip.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

void SourceFromRange(benchmark::State& state) {
  MeasureSequence(state, [] { return Sum(Numbers()); });
}
BENCHMARK(SourceFromRange)->Name("source/FromRange");

// Values are arguments, so there are not many: the cost is that of going from one such source to
// the next, shared by its eight values.
AsyncGenerator<Number> NumbersByEight() {
  for (Number i = 0; i < kItems; i += 8) {
    auto eight = FromValues<Number>(i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7);
    while (auto item = co_await eight.Next()) co_yield *std::move(item);
  }
}
void SourceFromValues(benchmark::State& state) {
  MeasureSequence(state, [] { return Sum(NumbersByEight()); });
}
BENCHMARK(SourceFromValues)->Name("source/FromValues, a new one every 8 items");

struct NextNumber {
  Number next = 0;
  std::optional<Number> operator()() {
    return next < kItems ? std::optional<Number>(next++) : std::nullopt;
  }
};
void SourceFromPull(benchmark::State& state) {
  MeasureSequence(state, [] { return Sum(FromPull(NextNumber())); });
}
BENCHMARK(SourceFromPull)->Name("source/FromPull");

void SourceConcat(benchmark::State& state) {
  MeasureSequence(state, [] { return Sum(Concat(Numbers(kItems / 2), Numbers(kItems / 2))); });
}
BENCHMARK(SourceConcat)->Name("source/Concat of 2");

void SourceZip(benchmark::State& state) {
  MeasureSequence(state, [] { return Use(Zip(Numbers(), Numbers())); });
}
BENCHMARK(SourceZip)->Name("source/Zip of 2");

// Emits from within `start`: everything is ready when it is asked for.
template <typename Place>
void SourceFromCallbacks(benchmark::State& state) {
  MeasureInScope<Place>(state, [](JobScope& scope) {
    return Sum(FromCallbacks<Number>(scope, kItems, [](const Emitter<Number>& emitter) {
      for (Number i = 0; i < kItems; ++i) benchmark::DoNotOptimize(emitter.TryEmit(i));
      emitter.Close();
    }));
  });
}
BENCHMARK(SourceFromCallbacks<OnOneThread>)->Name("source/FromCallbacks, all ready");

void SinkReduce(benchmark::State& state) {
  MeasureSequence(state, [] { return Numbers() | Reduce(Number{0}, std::plus()); });
}
BENCHMARK(SinkReduce)->Name("sink/Reduce");

void SinkCount(benchmark::State& state) {
  MeasureSequence(state, [] { return Numbers() | Count(); });
}
BENCHMARK(SinkCount)->Name("sink/Count");

Task<Number> SumByForEach() {
  Number sum = 0;
  co_await (Numbers() | ForEach([&sum](Number value) { sum += value; }));
  co_return sum;
}
void SinkForEach(benchmark::State& state) { MeasureSequence(state, SumByForEach); }
BENCHMARK(SinkForEach)->Name("sink/ForEach");

void SinkCollect(benchmark::State& state) {
  MeasureSequence(state, [] { return Numbers() | Collect(); });
}
BENCHMARK(SinkCollect)->Name("sink/Collect");

}  // namespace
}  // namespace sluice::bench
