#ifndef SLUICE_PIPELINE_OPS_TAKE_WHILE_H_
#define SLUICE_PIPELINE_OPS_TAKE_WHILE_H_

#include <functional>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename Predicate>
AsyncGenerator<T> TakeWhileImpl(AsyncGenerator<T> source, Predicate keep) {
  while (auto item = co_await source.Next()) {
    if (!std::invoke(keep, std::as_const(*item))) co_return;
    co_yield *std::move(item);
  }
}

}  // namespace internal

// Yields items as long as `keep(const T&)` is true. The first for which it is false is dropped and
// ends the sequence: the source is asked for nothing after it.
//
//   auto large = LargestFirst() | TakeWhile([](const Entry& entry) { return entry.size > 4096; });
//
// Lazy. Bound: pulled - yielded <= 1. Order: the source's.
// Errors: those of the source, and what `keep` throws, end the sequence.
// Cancellation: the source's. Dropping: drops the source.
template <typename Predicate>
auto TakeWhile(Predicate keep) {
  return [keep = std::move(keep)]<typename T>(AsyncGenerator<T> source) {
    return internal::TakeWhileImpl<T, Predicate>(std::move(source), keep);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TAKE_WHILE_H_
