#ifndef SLUICE_PIPELINE_OPS_INSPECT_H_
#define SLUICE_PIPELINE_OPS_INSPECT_H_

#include <functional>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename Fn>
AsyncGenerator<T> InspectImpl(AsyncGenerator<T> source, Fn look) {
  while (auto item = co_await source.Next()) {
    std::invoke(look, std::as_const(*item));
    co_yield *std::move(item);
  }
}

}  // namespace internal

// Yields every item unchanged after `look(const T&)` has seen it: for counters, logs and tests.
//
//   auto files = Walk() | Inspect([&seen](const Entry&) { ++seen; }) | Filter(IsRegular);
//
// Lazy. Bound: pulled - yielded <= 1. Order: the source's.
// Errors: those of the source, and what `look` throws, end the sequence.
// Cancellation: the source's. Dropping: drops the source.
template <typename Fn>
auto Inspect(Fn look) {
  return [look = std::move(look)]<typename T>(AsyncGenerator<T> source) {
    return internal::InspectImpl<T, Fn>(std::move(source), look);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_INSPECT_H_
