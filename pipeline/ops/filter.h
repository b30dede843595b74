#ifndef SLUICE_PIPELINE_OPS_FILTER_H_
#define SLUICE_PIPELINE_OPS_FILTER_H_

#include <functional>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename Predicate>
AsyncGenerator<T> FilterImpl(AsyncGenerator<T> source, Predicate keep) {
  while (auto item = co_await source.Next()) {
    if (std::invoke(keep, std::as_const(*item))) co_yield *std::move(item);
  }
}

}  // namespace internal

// Yields the items for which `keep(const T&)` is true.
//
//   auto large = Walk() | Filter([](const Entry& entry) { return entry.size > 1'000'000; });
//
// Lazy. Bound: pulled - (yielded + dropped) <= 1. Order: the source's.
// Errors: those of the source, and what `keep` throws, end the sequence.
// Cancellation: the source's. Dropping: drops the source.
template <typename Predicate>
auto Filter(Predicate keep) {
  return [keep = std::move(keep)]<typename T>(AsyncGenerator<T> source) {
    return internal::FilterImpl<T, Predicate>(std::move(source), keep);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FILTER_H_
