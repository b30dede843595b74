#ifndef SLUICE_PIPELINE_OPS_COLLECT_H_
#define SLUICE_PIPELINE_OPS_COLLECT_H_

#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T>
Task<std::vector<T>> CollectImpl(AsyncGenerator<T> source) {
  std::vector<T> items;
  while (auto item = co_await source.Next()) items.push_back(*std::move(item));
  co_return items;
}

}  // namespace internal

// A Task<std::vector<T>> of all items. Holds the whole sequence: for tests, and for results that
// are known to be small.
//
//   std::vector<Job> jobs = co_await (Jobs() | Filter(IsRunning) | Collect());
//
// Lazy: nothing is pulled before the task is awaited. Order: the source's.
// Errors: those of the source are thrown by the await, and what was collected is dropped.
// Cancellation: the source's. Dropping: drops the source.
inline auto Collect() {
  return []<typename T>(AsyncGenerator<T> source) {
    return internal::CollectImpl<T>(std::move(source));
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_COLLECT_H_
