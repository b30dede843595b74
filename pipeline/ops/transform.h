#ifndef SLUICE_PIPELINE_OPS_TRANSFORM_H_
#define SLUICE_PIPELINE_OPS_TRANSFORM_H_

#include <functional>
#include <type_traits>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/is_task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename R, typename T, typename Fn>
AsyncGenerator<R> TransformImpl(AsyncGenerator<T> source, Fn fn) {
  while (auto item = co_await source.Next()) {
    co_yield std::invoke(fn, *std::move(item));
  }
}

template <typename R, typename T, typename Fn>
AsyncGenerator<R> TransformAwaitingImpl(AsyncGenerator<T> source, Fn fn) {
  while (auto item = co_await source.Next()) {
    co_yield co_await std::invoke(fn, *std::move(item));
  }
}

}  // namespace internal

// Yields `fn(T)` of every item; where `fn` returns a Task<R>, awaits it and yields its R.
//
//   auto sizes = Walk() | Transform(&Entry::size);
//   auto digests = Files() | Transform(DigestOf);  // Task<Digest> DigestOf(File);
//
// Lazy. Bound: pulled - yielded <= 1; a task has ended before the next item is asked for
// (TransformConcurrently runs several). Order: the source's.
// Errors: those of the source, and what `fn` throws, end the sequence.
// Cancellation: the source's, and what `fn` itself listens to. Dropping: drops the source.
template <typename Fn>
auto Transform(Fn fn) {
  return [fn = std::move(fn)]<typename T>(AsyncGenerator<T> source) {
    using Result = std::remove_cvref_t<std::invoke_result_t<Fn&, T>>;
    if constexpr (internal::kIsTask<Result>) {
      using R = typename Result::value_type;
      return internal::TransformAwaitingImpl<R, T, Fn>(std::move(source), fn);
    } else {
      return internal::TransformImpl<Result, T, Fn>(std::move(source), fn);
    }
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TRANSFORM_H_
