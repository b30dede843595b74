#ifndef SLUICE_PIPELINE_OPS_FOR_EACH_H_
#define SLUICE_PIPELINE_OPS_FOR_EACH_H_

#include <functional>
#include <type_traits>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename Fn>
Task<> ForEachImpl(AsyncGenerator<T> source, Fn fn) {
  while (auto item = co_await source.Next()) {
    if constexpr (std::is_same_v<std::invoke_result_t<Fn&, T>, Task<>>) {
      co_await std::invoke(fn, *std::move(item));
    } else {
      std::invoke(fn, *std::move(item));
    }
  }
}

}  // namespace internal

// A Task<> that gives every item to `fn(T)`, which returns void or a Task<> that is awaited before
// the next item is asked for.
//
//   co_await (Entries() | ForEach([&out](const Entry& entry) { Print(entry, out); }));
//   co_await (Batches() | ForEach(Append));  // Task<> Append(std::vector<Entry>);
//
// Lazy: nothing is pulled before the task is awaited. Bound: one item. Order: the source's.
// Errors: those of the source, and what `fn` throws, are thrown by the await.
// Cancellation: the source's, and what `fn` itself listens to. Dropping: drops the source.
template <typename Fn>
auto ForEach(Fn fn) {
  return [fn = std::move(fn)]<typename T>(AsyncGenerator<T> source) {
    return internal::ForEachImpl<T, Fn>(std::move(source), fn);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FOR_EACH_H_
