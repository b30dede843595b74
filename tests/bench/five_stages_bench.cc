// Five stages of this library beside the loop that one would write by hand. The other libraries'
// are in files of their own, as they may be missing.

#include "benchmark/benchmark.h"

#include "pipeline/ops/filter.h"
#include "pipeline/ops/take_while.h"
#include "pipeline/ops/transform.h"
#include "tests/bench/five_stages.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

Number SumByHand() {
  Number sum = 0;
  for (Number i = 0; i < kItems; ++i) {
    const Number scrambled = Scramble(i);
    if (!IsUsual(scrambled)) continue;
    const Number halved = Halve(scrambled);
    if (!IsUsual(halved)) break;
    sum += Mix(halved);
  }
  return sum;
}
void ByHand(benchmark::State& state) { MeasureItems(state, SumByHand); }
BENCHMARK(ByHand)->Name("five_stages/a loop by hand");

void BySluice(benchmark::State& state) {
  MeasureSequence(state, [] {
    return Sum(Numbers() | Transform(Scramble) | Filter(IsUsual) | Transform(Halve) |
               TakeWhile(IsUsual) | Transform(Mix));
  });
}
BENCHMARK(BySluice)->Name("five_stages/Sluice");

void BareSource(benchmark::State& state) {
  MeasureSequence(state, [] { return Sum(Numbers()); });
}
BENCHMARK(BareSource)->Name("bare_source/Sluice");

}  // namespace
}  // namespace sluice::bench
