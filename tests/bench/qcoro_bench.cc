// The five stages by QCoro's AsyncGenerator, which is cppcoro's. That header needs no Qt.

#include <qcoro/qcoroasyncgenerator.h>

#include <utility>

#include "benchmark/benchmark.h"

#include "pipeline/async/task.h"
#include "tests/bench/five_stages.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

using Generator = QCoro::AsyncGenerator<Number>;

Generator Source() {
  for (Number i = 0; i < kItems; ++i) co_yield Number{i};
}

template <typename Fn>
Generator Transformed(Generator source, Fn fn) {
  for (auto item = co_await source.begin(); item != source.end(); co_await ++item) {
    co_yield fn(*item);
  }
}

template <typename Predicate>
Generator Filtered(Generator source, Predicate keep) {
  for (auto item = co_await source.begin(); item != source.end(); co_await ++item) {
    if (keep(*item)) co_yield *item;
  }
}

template <typename Predicate>
Generator TakenWhile(Generator source, Predicate keep) {
  for (auto item = co_await source.begin(); item != source.end(); co_await ++item) {
    if (!keep(*item)) co_return;
    co_yield *item;
  }
}

Generator FiveStages() {
  return Transformed(
      TakenWhile(Transformed(Filtered(Transformed(Source(), Scramble), IsUsual), Halve), IsUsual),
      Mix);
}

Task<Number> SumOf(Generator source) {
  Number sum = 0;
  for (auto item = co_await source.begin(); item != source.end(); co_await ++item) sum += *item;
  co_return sum;
}

void FiveStagesByQCoro(benchmark::State& state) {
  MeasureSequence(state, [] { return SumOf(FiveStages()); });
}
BENCHMARK(FiveStagesByQCoro)->Name("five_stages/QCoro (cppcoro)");

void BareSourceByQCoro(benchmark::State& state) {
  MeasureSequence(state, [] { return SumOf(Source()); });
}
BENCHMARK(BareSourceByQCoro)->Name("bare_source/QCoro (cppcoro)");

}  // namespace
}  // namespace sluice::bench
