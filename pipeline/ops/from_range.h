#ifndef SLUICE_PIPELINE_OPS_FROM_RANGE_H_
#define SLUICE_PIPELINE_OPS_FROM_RANGE_H_

#include <ranges>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

// A source that yields the elements of `values`, in order: moved out of a container, which it owns;
// copied out of a view, whose elements belong to somebody else and outlive the generator.
//
//   FromRange(std::vector{1, 2, 3}) | Transform(Square)
//   FromRange(std::views::iota(0, 1'000'000))
//
// Lazy. Bound: yields an element before it looks at the next. Order: the range's.
// Errors: what the range's iterators throw ends the sequence.
// Cancellation: none, as it never suspends but to hand over. Dropping: frees what it owns.
template <std::ranges::input_range Range>
AsyncGenerator<std::ranges::range_value_t<Range>> FromRange(Range values) {
  using T = std::ranges::range_value_t<Range>;
  for (auto&& value : values) {
    if constexpr (std::ranges::view<Range>) {
      co_yield T(value);
    } else {
      co_yield T(std::move(value));
    }
  }
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FROM_RANGE_H_
