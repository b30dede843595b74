#ifndef SLUICE_PIPELINE_OPS_GROUP_ADJACENT_H_
#define SLUICE_PIPELINE_OPS_GROUP_ADJACENT_H_

#include <cassert>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

// Neighbours that belong together: a run, or a part of one.
template <typename T>
struct AdjacentGroup {
  std::vector<T> items;   // Never empty.
  bool complete = false;  // False: what comes next belongs to the same run, or is an error.

  friend bool operator==(const AdjacentGroup&, const AdjacentGroup&) = default;
};

namespace internal {

template <typename T, typename Equal>
AsyncGenerator<AdjacentGroup<T>> GroupAdjacentImpl(AsyncGenerator<T> source, Equal equal,
                                                   std::size_t max_items) {
  AdjacentGroup<T> group;
  while (true) {
    std::optional<T> next;
    bool joins = false;
    std::exception_ptr error;
    try {
      next = co_await source.Next();
      joins = next && !group.items.empty() &&
              std::invoke(equal, std::as_const(group.items.back()), std::as_const(*next));
    } catch (...) {
      error = std::current_exception();
    }
    if (!group.items.empty() && (!joins || group.items.size() == max_items)) {
      group.complete = !joins && !error;
      co_yield std::exchange(group, {});
    }
    if (error) std::rethrow_exception(error);
    if (!next) co_return;
    group.items.push_back(*std::move(next));
  }
}

}  // namespace internal

// Gathers runs of items for which `equal(const T& previous, const T& next)` is true. A run that is
// longer than `max_items` passes in parts of `max_items`, of which only the last one is complete:
// so a run of any length costs no more memory than that.
//
//   auto same_size = BySize() | GroupAdjacent(SameSize, 1000);
//
// Lazy: a group is yielded when the item after it has come, or the end.
// Bound: pulled - yielded <= max_items + 1. Order: the source's.
// Errors: what came before is yielded first, as an incomplete part; then the source's error, or
// what `equal` threw. Cancellation: the source's, which ends the sequence like an error.
// Dropping: frees what is gathered and drops the source. REQUIRES: max_items >= 1.
template <typename Equal>
auto GroupAdjacent(Equal equal, std::size_t max_items) {
  assert(max_items >= 1);
  return [equal = std::move(equal), max_items]<typename T>(AsyncGenerator<T> source) {
    return internal::GroupAdjacentImpl<T, Equal>(std::move(source), equal, max_items);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_GROUP_ADJACENT_H_
