#ifndef SLUICE_PIPELINE_OPS_TAKE_H_
#define SLUICE_PIPELINE_OPS_TAKE_H_

#include <cstddef>
#include <optional>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T>
AsyncGenerator<T> TakeImpl(AsyncGenerator<T> source, std::size_t count) {
  for (; count > 0; --count) {
    std::optional<T> item = co_await source.Next();
    if (!item) co_return;
    co_yield *std::move(item);
  }
}

}  // namespace internal

// Yields the first `count` items, then ends. The source is never asked for one more than that; it
// is dropped with this generator.
//
//   auto first_page = Entries() | Take(100);
//
// Lazy. Bound: pulled - yielded <= 1. Order: the source's.
// Errors: those of the source end the sequence.
// Cancellation: the source's. Dropping: drops the source.
inline auto Take(std::size_t count) {
  return [count]<typename T>(AsyncGenerator<T> source) {
    return internal::TakeImpl<T>(std::move(source), count);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TAKE_H_
