#ifndef SLUICE_PIPELINE_OPS_IS_TASK_H_
#define SLUICE_PIPELINE_OPS_IS_TASK_H_

#include "pipeline/async/task.h"

namespace sluice::internal {

// Whether what a caller's function returns is to be awaited.
template <typename T>
inline constexpr bool kIsTask = false;
template <typename T>
inline constexpr bool kIsTask<Task<T>> = true;

}  // namespace sluice::internal

#endif  // SLUICE_PIPELINE_OPS_IS_TASK_H_
