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

// Yields the items of vectors one by one, in order.
//
// Lazy. Bound: one vector; the next is asked for when the last one is used up. Errors and Cancelled
// of the source end the sequence. Cancellation: the source's.
inline auto Unbatch() {
  return []<typename T>(AsyncGenerator<std::vector<T>> source) {
    return internal::UnbatchImpl<T>(std::move(source));
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_UNBATCH_H_
