#ifndef SLUICE_PIPELINE_OPS_FLAT_MAP_H_
#define SLUICE_PIPELINE_OPS_FLAT_MAP_H_

#include <functional>
#include <type_traits>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename R, typename T, typename Fn>
AsyncGenerator<R> FlatMapImpl(AsyncGenerator<T> source, Fn fn) {
  while (auto item = co_await source.Next()) {
    AsyncGenerator<R> results = std::invoke(fn, *std::move(item));
    while (auto result = co_await results.Next()) co_yield *std::move(result);
  }
}

}  // namespace internal

// Yields all that `fn(T) -> AsyncGenerator<R>` gives for the first item, then all for the second,
// and so on. One such generator lives at a time: it is dropped before the next item is asked for.
//
//   auto files = Directories() | FlatMap(FilesIn);  // AsyncGenerator<File> FilesIn(Directory);
//
// Lazy: `fn` is called when what it gave for the item before is used up.
// Bound: one item, and one result. Order: the source's, and within an item that of its generator.
// Errors: those of the source and of the generators, and what `fn` throws, end the sequence.
// Cancellation: that of the source and of the generators.
// Dropping: drops the generator of the present item, then the source.
// Lifetime: an `fn` that takes its item by reference may refer to it as long as its generator
// lives.
template <typename Fn>
auto FlatMap(Fn fn) {
  return [fn = std::move(fn)]<typename T>(AsyncGenerator<T> source) {
    using R = typename std::invoke_result_t<Fn&, T>::value_type;
    return internal::FlatMapImpl<R, T, Fn>(std::move(source), fn);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FLAT_MAP_H_
