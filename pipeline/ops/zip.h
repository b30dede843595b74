#ifndef SLUICE_PIPELINE_OPS_ZIP_H_
#define SLUICE_PIPELINE_OPS_ZIP_H_

#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>

#include "pipeline/async/async_generator.h"

namespace sluice {

namespace internal {

template <typename... T, std::size_t... I>
AsyncGenerator<std::tuple<T...>> ZipImpl(std::index_sequence<I...> /*each*/,
                                         AsyncGenerator<T>... sources) {
  std::tuple<std::optional<T>...> row;
  while (((std::get<I>(row) = co_await sources.Next()).has_value() && ...)) {
    co_yield std::tuple<T...>(*std::move(std::get<I>(row))...);
  }
}

}  // namespace internal

// A source that yields the first items of all sources as one tuple, then their second items, and so
// on. It ends with the shortest.
//
//   auto rows = Zip(Paths(), Digests());
//   while (auto row = co_await rows.Next()) {
//     auto& [path, digest] = *row;
//     Record(path, digest);
//   }
//
// The sources are pulled from left to right, one after the other. When one has ended, those right
// of it are not asked, and the items of those left of it are dropped: put the one that is known to
// be the shortest first where that matters.
//
// Lazy. Bound: pulled - yielded <= 1, for each source. Order: the sources'.
// Errors: those of a source end the sequence; the items that the row already has are dropped.
// Cancellation: the sources'. Dropping: drops all of them.
template <typename... T>
  requires(sizeof...(T) >= 1)
AsyncGenerator<std::tuple<T...>> Zip(AsyncGenerator<T>... sources) {
  return internal::ZipImpl<T...>(std::index_sequence_for<T...>(), std::move(sources)...);
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_ZIP_H_
