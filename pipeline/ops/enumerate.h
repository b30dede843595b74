#ifndef SLUICE_PIPELINE_OPS_ENUMERATE_H_
#define SLUICE_PIPELINE_OPS_ENUMERATE_H_

#include <cstdint>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

// An item and its place in the sequence.
template <typename T>
struct Numbered {
  std::uint64_t index;
  T value;

  friend bool operator==(const Numbered&, const Numbered&) = default;
};

namespace internal {

template <typename T>
AsyncGenerator<Numbered<T>> EnumerateImpl(AsyncGenerator<T> source, std::uint64_t index) {
  while (auto item = co_await source.Next()) co_yield Numbered<T>{index++, *std::move(item)};
}

}  // namespace internal

// Numbers the items `first`, `first` + 1, ...
//
//   auto lines = Lines(file) | Enumerate(1);
//   while (auto line = co_await lines.Next()) Report(line->index, line->value);
//
// Lazy. Bound: pulled - yielded <= 1. Order: the source's.
// Errors: those of the source end the sequence.
// Cancellation: the source's. Dropping: drops the source.
inline auto Enumerate(std::uint64_t first = 0) {
  return [first]<typename T>(AsyncGenerator<T> source) {
    return internal::EnumerateImpl<T>(std::move(source), first);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_ENUMERATE_H_
