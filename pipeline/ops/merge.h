#ifndef SLUICE_PIPELINE_OPS_MERGE_H_
#define SLUICE_PIPELINE_OPS_MERGE_H_

#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/ops/fan_in.h"

namespace sluice {

// One sequence of what several sources yield, whichever is ready first.
//
//   auto events = Merge(scope, Changes(), Ticks());
//   auto files = Merge(scope, std::move(walks));  // std::vector<AsyncGenerator<File>>
//
// Each source is pulled by a child of `scope` on the scope's executor, so that a slow one holds
// back nobody; that costs a hand-over between threads an item. To have one after the other, see
// Concat.
//
// Lazy: nothing is pulled before the first Next; from then on every source is one item ahead, and
// all of them together `ahead` more, so that they need not wait for each round of the consumer.
// Bound: pulled - handed over <= the number of sources + `ahead`.
// Order: that of each source; those of different sources, as they come. Nobody waits for ever: who
// was ready first is handed over first.
// Errors: the first one ends the sequence, after what was ready before it; the other sources are
// dropped when they give their next item. Ends when every source has ended.
// Cancellation: a stop of the scope wakes the consumer, which throws Cancelled.
// Dropping: a source is dropped as soon as it gives its child an item, or ends. One that may wait
// for long listens to the scope's stop token: then a stop of the scope makes its Join prompt.
// Lifetime: what the sources refer to outlives the scope's Join.
template <typename T>
AsyncGenerator<T> Merge(JobScope& scope, std::vector<AsyncGenerator<T>> sources,
                        std::size_t ahead = 0) {
  return internal::FanIn<T>(std::move(sources), scope, ahead);
}

template <typename T, std::same_as<AsyncGenerator<T>>... Others>
AsyncGenerator<T> Merge(JobScope& scope, AsyncGenerator<T> first, Others... others) {
  std::vector<AsyncGenerator<T>> sources;
  sources.reserve(1 + sizeof...(others));
  sources.push_back(std::move(first));
  (sources.push_back(std::move(others)), ...);
  return Merge(scope, std::move(sources));
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_MERGE_H_
