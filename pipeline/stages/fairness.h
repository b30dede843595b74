#ifndef SLUICE_PIPELINE_STAGES_FAIRNESS_H_
#define SLUICE_PIPELINE_STAGES_FAIRNESS_H_

#include <cstdint>

namespace sluice {

// A stage that goes over many items without awaiting anything offers its thread to others
// (Executor::YieldIfBusy) after so many of them: about a millisecond of work. That is how a small
// job goes on beside a huge one. Files have FileContentDigester::kYieldBytes.
inline constexpr std::uint64_t kYieldItems = 256;

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_FAIRNESS_H_
