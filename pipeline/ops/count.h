#ifndef SLUICE_PIPELINE_OPS_COUNT_H_
#define SLUICE_PIPELINE_OPS_COUNT_H_

#include <cstdint>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T>
Task<std::uint64_t> CountImpl(AsyncGenerator<T> source) {
  std::uint64_t count = 0;
  while (co_await source.Next()) ++count;
  co_return count;
}

}  // namespace internal

// A Task<std::uint64_t> of the number of items, which are dropped as they come.
//
//   std::uint64_t empty_files = co_await (Walk() | Filter(IsEmpty) | Count());
//
// Lazy: nothing is pulled before the task is awaited. Bound: one item.
// Errors: those of the source are thrown by the await. Cancellation: the source's.
// Dropping: drops the source.
inline auto Count() {
  return []<typename T>(AsyncGenerator<T> source) {
    return internal::CountImpl<T>(std::move(source));
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_COUNT_H_
