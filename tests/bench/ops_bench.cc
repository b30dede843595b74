// The stages that are one coroutine each, behind a source whose values are ready. Take the time of
// source/FromRange off for the price of the stage.

#include <chrono>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/distinct.h"
#include "pipeline/ops/enumerate.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/flat_map.h"
#include "pipeline/ops/group_adjacent.h"
#include "pipeline/ops/inspect.h"
#include "pipeline/ops/on_error.h"
#include "pipeline/ops/progress.h"
#include "pipeline/ops/recover.h"
#include "pipeline/ops/skip.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/take_while.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/unbatch.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

// Always true, which the compiler does not know: the stage is measured with every item passing.
bool Passes(Number value) {
  benchmark::DoNotOptimize(value);
  return value >= 0;
}
Number Scramble(Number value) { return (value ^ (value >> 3)) * 31; }
Task<Number> ScrambleLater(Number value) { co_return Scramble(value); }

// One benchmark of `Numbers() | stage`.
template <typename Stage>
void MeasureStage(benchmark::State& state, Stage stage) {
  MeasureSequence(state, [&stage] { return Use(Numbers() | stage); });
}

void StageFilter(benchmark::State& state) { MeasureStage(state, Filter(Passes)); }
BENCHMARK(StageFilter)->Name("stage/Filter");

void StageTransform(benchmark::State& state) { MeasureStage(state, Transform(Scramble)); }
BENCHMARK(StageTransform)->Name("stage/Transform");

void StageTransformAwaiting(benchmark::State& state) {
  MeasureStage(state, Transform(ScrambleLater));
}
BENCHMARK(StageTransformAwaiting)->Name("stage/Transform, awaiting a Task");

void StageTake(benchmark::State& state) { MeasureStage(state, Take(kItems)); }
BENCHMARK(StageTake)->Name("stage/Take");

void StageTakeWhile(benchmark::State& state) { MeasureStage(state, TakeWhile(Passes)); }
BENCHMARK(StageTakeWhile)->Name("stage/TakeWhile");

void StageSkip(benchmark::State& state) { MeasureStage(state, Skip(1)); }
BENCHMARK(StageSkip)->Name("stage/Skip");

void StageEnumerate(benchmark::State& state) { MeasureStage(state, Enumerate()); }
BENCHMARK(StageEnumerate)->Name("stage/Enumerate");

void StageInspect(benchmark::State& state) { MeasureStage(state, Inspect(Passes)); }
BENCHMARK(StageInspect)->Name("stage/Inspect");

void StageRecover(benchmark::State& state) {
  MeasureStage(state, Recover([](const absl::Status& /*status*/) { return Numbers(0); }));
}
BENCHMARK(StageRecover)->Name("stage/Recover");

void StageProgress(benchmark::State& state) {
  SystemClock clock;
  MeasureStage(state, Progress(clock, {.label = "bench", .interval = std::chrono::seconds(1)},
                               [](const ProgressReport& /*report*/) {}));
}
BENCHMARK(StageProgress)->Name("stage/Progress");

void StageDistinct(benchmark::State& state) { MeasureStage(state, Distinct(1024)); }
BENCHMARK(StageDistinct)->Name("stage/Distinct, all new, window of 1024");

absl::StatusOr<Number> AsStatusOr(Number value) { return value; }
void StageStatusOr(benchmark::State& state) { MeasureStage(state, Transform(AsStatusOr)); }
BENCHMARK(StageStatusOr)->Name("stage/Transform to StatusOr");

void StageOnError(benchmark::State& state) {
  MeasureSequence(state,
                  [] { return Use(Numbers() | Transform(AsStatusOr) | OnError(DropErrors())); });
}
BENCHMARK(StageOnError)->Name("stage/Transform to StatusOr, then OnError");

// ---- Stages whose items are not those of their source.

constexpr Number kTogether = 64;

AsyncGenerator<Number> Together(Number first) {
  for (Number i = first; i < first + kTogether; ++i) co_yield Number{i};
}
void StageFlatMap(benchmark::State& state) {
  MeasureSequence(state, [] { return Use(Numbers(kItems / kTogether) | FlatMap(Together)); });
}
BENCHMARK(StageFlatMap)->Name("stage/FlatMap, 64 items of each");

bool AreTogether(Number previous, Number next) { return previous / kTogether == next / kTogether; }
void StageGroupAdjacent(benchmark::State& state) {
  MeasureStage(state, GroupAdjacent(AreTogether, kTogether));
}
BENCHMARK(StageGroupAdjacent)->Name("stage/GroupAdjacent, runs of 64");

std::vector<Number> VectorOf(Number first) { return std::vector<Number>(kTogether, first); }
void StageUnbatch(benchmark::State& state) {
  MeasureSequence(
      state, [] { return Use(Numbers(kItems / kTogether) | Transform(VectorOf) | Unbatch()); });
}
BENCHMARK(StageUnbatch)->Name("stage/Unbatch, vectors of 64");

}  // namespace
}  // namespace sluice::bench
