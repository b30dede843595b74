#ifndef SLUICE_PIPELINE_OPS_UNBATCH_H_
#define SLUICE_PIPELINE_OPS_UNBATCH_H_

#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T>
AsyncGenerator<T> UnbatchImpl(AsyncGenerator<std::vector<T>> source) {
  while (auto batch = co_await source.Next()) {
    for (T& item : *batch) co_yield std::move(item);
  }
}

}  // namespace internal

// Yields the items of vectors one by one.
//
//   auto entries = Pages() | Unbatch();
//
// Lazy. Bound: one vector; the next is asked for when the last one is used up.
// Order: the source's, and within a vector its own.
// Errors: those of the source end the sequence.
// Cancellation: the source's. Dropping: frees the present vector and drops the source.
inline auto Unbatch() {
  return []<typename T>(AsyncGenerator<std::vector<T>> source) {
    return internal::UnbatchImpl<T>(std::move(source));
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_UNBATCH_H_
