#ifndef SLUICE_TESTS_BENCH_FIVE_STAGES_H_
#define SLUICE_TESTS_BENCH_FIVE_STAGES_H_

#include "benchmark/benchmark.h"

#include "tests/bench/items.h"

// The work of the five stages that each library does in its own way, item by item:
//
//   the numbers below kItems | transform by Scramble | filter by IsUsual | transform by Halve
//                            | take while IsUsual | transform by Mix     summed up
//
// Every item passes every stage, which the compiler cannot know: so that the work of a stage is
// next to none, and what remains is the price of handing an item over six times.

namespace sluice::bench {

inline Number Scramble(Number value) { return (value ^ (value >> 3)) * 31; }
inline Number Halve(Number value) { return value / 2; }
inline Number Mix(Number value) { return value ^ (value << 1); }
inline bool IsUsual(Number value) {
  benchmark::DoNotOptimize(value);
  return value >= 0;
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_FIVE_STAGES_H_
