#ifndef SLUICE_PIPELINE_STAGES_BUSY_TIME_H_
#define SLUICE_PIPELINE_STAGES_BUSY_TIME_H_

#include <chrono>

#include "pipeline/stages/counters.h"

namespace sluice {

// The time of its life is time that a stage was busy. Lifetime: `counter` outlives it.
class BusyTime final {
 public:
  explicit BusyTime(StageCounter& counter) : counter_(counter) {}
  BusyTime(const BusyTime&) = delete;
  BusyTime& operator=(const BusyTime&) = delete;
  ~BusyTime() { counter_.AddBusy(std::chrono::steady_clock::now() - begin_); }

 private:
  StageCounter& counter_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_BUSY_TIME_H_
