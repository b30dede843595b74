#ifndef SLUICE_PIPELINE_OPS_SKIP_H_
#define SLUICE_PIPELINE_OPS_SKIP_H_

#include <cstddef>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T>
AsyncGenerator<T> SkipImpl(AsyncGenerator<T> source, std::size_t count) {
  for (; count > 0; --count) {
    if (!co_await source.Next()) co_return;
  }
  while (auto item = co_await source.Next()) co_yield *std::move(item);
}

}  // namespace internal

// Drops the first `count` items and yields the others. A source that ends within them gives an
// empty sequence.
//
//   auto second_page = Entries() | Skip(100) | Take(100);
//
// Lazy: the first pull asks for `count` + 1 items, one after the other.
// Bound: pulled - (yielded + skipped) <= 1. Order: the source's.
// Errors: those of the source end the sequence, also within what is skipped.
// Cancellation: the source's. Dropping: drops the source.
inline auto Skip(std::size_t count) {
  return [count]<typename T>(AsyncGenerator<T> source) {
    return internal::SkipImpl<T>(std::move(source), count);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_SKIP_H_
