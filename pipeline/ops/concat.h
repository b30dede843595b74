#ifndef SLUICE_PIPELINE_OPS_CONCAT_H_
#define SLUICE_PIPELINE_OPS_CONCAT_H_

#include <array>
#include <concepts>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"

namespace sluice {

namespace internal {

template <typename T, typename Sources>
AsyncGenerator<T> ConcatImpl(Sources sources) {
  for (AsyncGenerator<T>& next : sources) {
    AsyncGenerator<T> source = std::move(next);  // Dropped at its own end, not at that of the last.
    while (auto item = co_await source.Next()) co_yield *std::move(item);
  }
}

}  // namespace internal

// A source that yields all items of the first source, then all of the second, and so on.
//
//   auto all = Concat(Recorded(scan), Live(scan));
//
// Where the sources are many, FlatMap opens each only when its turn has come.
//
// Lazy: a source is started when the one before it has ended, which has been dropped by then.
// Bound: pulled - yielded <= 1. Order: that of the arguments, and within one the source's.
// Errors: those of a source end the sequence; the sources after it are never started.
// Cancellation: that of the present source. Dropping: drops all of them.
template <typename T, std::same_as<AsyncGenerator<T>>... More>
AsyncGenerator<T> Concat(AsyncGenerator<T> first, More... more) {
  return internal::ConcatImpl<T>(std::array{std::move(first), std::move(more)...});
}

// The same for sources whose number is known at run time; none give an empty sequence.
template <typename T>
AsyncGenerator<T> Concat(std::vector<AsyncGenerator<T>> sources) {
  return internal::ConcatImpl<T>(std::move(sources));
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_CONCAT_H_
