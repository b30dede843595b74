#ifndef SLUICE_PIPELINE_OPS_PIPE_H_
#define SLUICE_PIPELINE_OPS_PIPE_H_

#include <concepts>
#include <utility>

#include "pipeline/async/async_generator.h"

namespace sluice {

// `source | Stage(...)`: a stage is anything that takes a generator and gives a generator or a
// task.
//
//   auto large = Numbers() | Filter(IsLarge) | Transform(Square) | Take(10);
//
// A stage of this folder holds its arguments and gives a copy of them to each generator it is
// applied to: it may be kept in a variable and applied to several.
template <typename T, std::invocable<AsyncGenerator<T>> Stage>
auto operator|(AsyncGenerator<T> source, Stage&& stage) {
  return std::forward<Stage>(stage)(std::move(source));
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_PIPE_H_
