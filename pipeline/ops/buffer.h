#ifndef SLUICE_PIPELINE_OPS_BUFFER_H_
#define SLUICE_PIPELINE_OPS_BUFFER_H_

#include <cassert>
#include <cstddef>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/ops/fan_in.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

// Reads ahead: a child of `scope` pulls the source while the consumer is busy with what it has.
//
//   auto chunks = ReadChunks(file) | Buffer(scope, 4) | Transform(Compress);
//
// Worth a hand-over between threads an item: for items that take long to come. For small ones,
// Batch pays that once a vector.
//
// Lazy: nothing is pulled before the first Next; from then on up to `items` ahead, on the scope's
// executor. Bound: pulled - handed over <= items: a consumer that does not ask stops the source.
// Order: the source's. Errors: what came before an error is handed over first.
// Cancellation: a stop of the scope wakes the consumer, which throws Cancelled.
// Dropping: what was read ahead is freed, and the child ends as soon as the source gives it an
// item, or ends. A source that may wait for long listens to the scope's stop token: then a stop of
// the scope makes its Join prompt.
// Lifetime: what the source refers to outlives the scope's Join. REQUIRES: items >= 1.
inline auto Buffer(JobScope& scope, std::size_t items) {
  assert(items >= 1);
  return [&scope, items]<typename T>(AsyncGenerator<T> source) {
    std::vector<AsyncGenerator<T>> sources;
    sources.push_back(std::move(source));
    return internal::FanIn<T>(std::move(sources), scope, items - 1);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_BUFFER_H_
