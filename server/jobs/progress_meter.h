#ifndef SLUICE_SERVER_JOBS_PROGRESS_METER_H_
#define SLUICE_SERVER_JOBS_PROGRESS_METER_H_

#include <cstdint>
#include <deque>

#include "pipeline/async/clock.h"
#include "pipeline/stages/counters.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// Makes a job's progress of its counters: rates over the last seconds, totals where they are known,
// and from these the time that is left. Not thread-safe. Memory: a sample each 200 ms of 5 s.
class ProgressMeter final {
 public:
  // What is left is a guess until rates have been measured over so long.
  static constexpr std::chrono::seconds kShortestMeasure{2};

  v1::Progress Measure(std::uint64_t items_done, const PipelineCounters& counters,
                       Clock::TimePoint now);
  // A new run: what was measured before says nothing of it.
  void Reset() { samples_.clear(); }

 private:
  struct Sample {
    Clock::TimePoint time;
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
  };

  void AddRates(Clock::TimePoint now, v1::Progress& progress);
  void AddRemaining(Clock::TimePoint now, v1::Progress& progress) const;

  std::deque<Sample> samples_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_PROGRESS_METER_H_
