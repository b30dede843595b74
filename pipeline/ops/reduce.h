#ifndef SLUICE_PIPELINE_OPS_REDUCE_H_
#define SLUICE_PIPELINE_OPS_REDUCE_H_

#include <functional>
#include <type_traits>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/is_task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename A, typename Fn>
Task<A> ReduceImpl(AsyncGenerator<T> source, A result, Fn fn) {
  while (auto item = co_await source.Next()) {
    if constexpr (kIsTask<std::invoke_result_t<Fn&, A, T>>) {
      result = co_await std::invoke(fn, std::move(result), *std::move(item));
    } else {
      result = std::invoke(fn, std::move(result), *std::move(item));
    }
  }
  co_return result;
}

}  // namespace internal

// A Task<A> of `fn(A, T) -> A` applied to `init` and the first item, then to its result and the
// second, and so on; `init` where there is none. An `fn` that returns a Task<A> is awaited.
//
//   Task<std::int64_t> total = Sizes() | Reduce(std::int64_t{0}, std::plus());
//
// Lazy: nothing is pulled before the task is awaited. Bound: one item.
// Order: the source's. Errors: those of the source, and what `fn` throws, are thrown by the await.
// Cancellation: the source's. Dropping: drops the source.
template <typename A, typename Fn>
auto Reduce(A init, Fn fn) {
  return [init = std::move(init), fn = std::move(fn)]<typename T>(AsyncGenerator<T> source) {
    return internal::ReduceImpl<T, A, Fn>(std::move(source), init, fn);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_REDUCE_H_
