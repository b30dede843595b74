#ifndef SLUICE_PIPELINE_OPS_FROM_VALUES_H_
#define SLUICE_PIPELINE_OPS_FROM_VALUES_H_

#include <array>
#include <concepts>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/from_range.h"

namespace sluice {

// A source that yields its arguments, in order. They have one type: that of the first, or the one
// that is named; without arguments the sequence is empty.
//
//   FromValues(1, 2, 3)
//   FromValues<std::string>("one", "two")
//   FromValues<Entry>()
//
// Lazy. Order: that of the arguments. Errors: none.
// Cancellation: none, as it never suspends but to hand over. Dropping: frees all of them.
template <typename T, std::convertible_to<T>... More>
AsyncGenerator<T> FromValues(T first, More... more) {
  return FromRange(std::array<T, 1 + sizeof...(More)>{std::move(first), std::move(more)...});
}

template <typename T>
AsyncGenerator<T> FromValues() {
  co_return;
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FROM_VALUES_H_
