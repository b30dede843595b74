#ifndef SLUICE_PIPELINE_OPS_FROM_PULL_H_
#define SLUICE_PIPELINE_OPS_FROM_PULL_H_

#include <functional>
#include <type_traits>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/is_task.h"

namespace sluice {

namespace internal {

template <typename T, typename Fn>
AsyncGenerator<T> FromPullImpl(Fn next) {
  while (auto item = std::invoke(next)) co_yield *std::move(item);
}

template <typename T, typename Fn>
AsyncGenerator<T> FromPullAwaitingImpl(Fn next) {
  while (auto item = co_await std::invoke(next)) co_yield *std::move(item);
}

}  // namespace internal

// A source from a function that gives the next item: `next() -> std::optional<T>`, or a
// Task<std::optional<T>> that is awaited. nullopt is the end, after which it is not called again.
//
//   FromPull([&reader] { return reader.ReadRecord(); })
//
// Lazy: called once for each item that is asked for, and once for the end. Bound: yields what it
// has before it calls again.
// Errors: what `next` throws ends the sequence. Cancellation: what `next` itself listens to.
// Dropping: destroys `next`. Lifetime: what `next` refers to outlives the generator.
template <typename Fn>
auto FromPull(Fn next) {
  using Result = std::remove_cvref_t<std::invoke_result_t<Fn&>>;
  if constexpr (internal::kIsTask<Result>) {
    using T = typename Result::value_type::value_type;
    return internal::FromPullAwaitingImpl<T, Fn>(std::move(next));
  } else {
    using T = typename Result::value_type;
    return internal::FromPullImpl<T, Fn>(std::move(next));
  }
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FROM_PULL_H_
