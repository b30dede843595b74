#include "server/jobs/progress_meter.h"

#include <algorithm>
#include <chrono>

#include "server/jobs/convert.h"

namespace sluice {
namespace {

// Rates are taken over this time, from a sample each interval.
constexpr std::chrono::seconds kRateWindow(5);
constexpr std::chrono::milliseconds kRateInterval(200);

std::uint64_t Load(const std::atomic<std::uint64_t>& value) {
  return value.load(std::memory_order_relaxed);
}

// Seconds for what is left of `total` at `rate`; negative when that cannot be said.
double SecondsLeft(std::uint64_t done, std::uint64_t total, double rate) {
  if (done >= total) return 0;
  return rate > 0 ? static_cast<double>(total - done) / rate : -1;
}

}  // namespace

v1::Progress ProgressMeter::Measure(std::uint64_t items_done, const PipelineCounters& counters,
                                    Clock::TimePoint now) {
  v1::Progress progress;
  progress.set_items_done(items_done);
  progress.set_bytes_done(Load(counters.digest.bytes) + Load(counters.reading) +
                          Load(counters.apply.bytes));
  const std::uint64_t items_total = Load(counters.items_total);
  if (items_total != 0) progress.set_items_total(std::max(items_total, progress.items_done()));
  const std::uint64_t bytes_total = Load(counters.bytes_total);
  if (bytes_total != 0) progress.set_bytes_total(std::max(bytes_total, progress.bytes_done()));
  AddRates(now, progress);
  AddRemaining(now, progress);
  return progress;
}

void ProgressMeter::AddRates(Clock::TimePoint now, v1::Progress& progress) {
  while (samples_.size() > 1 && now - samples_.front().time > kRateWindow) samples_.pop_front();
  if (!samples_.empty()) {
    const Sample& oldest = samples_.front();
    const double seconds = std::chrono::duration<double>(now - oldest.time).count();
    // A large file that is read again from its beginning moves the sum back.
    const auto rate = [&](std::uint64_t before, std::uint64_t after) {
      return after > before && seconds > 0 ? static_cast<double>(after - before) / seconds : 0;
    };
    progress.set_items_per_second(rate(oldest.items, progress.items_done()));
    progress.set_bytes_per_second(rate(oldest.bytes, progress.bytes_done()));
  }
  if (samples_.empty() || now - samples_.back().time >= kRateInterval) {
    samples_.push_back(
        {.time = now, .items = progress.items_done(), .bytes = progress.bytes_done()});
  }
}

void ProgressMeter::AddRemaining(Clock::TimePoint now, v1::Progress& progress) const {
  if (now - samples_.front().time < kShortestMeasure) return;
  double seconds = -1;
  if (progress.has_bytes_total()) {
    seconds =
        SecondsLeft(progress.bytes_done(), progress.bytes_total(), progress.bytes_per_second());
  } else if (progress.has_items_total()) {
    seconds =
        SecondsLeft(progress.items_done(), progress.items_total(), progress.items_per_second());
  }
  constexpr double kLongest = 365.0 * 24 * 3600;
  if (seconds < 0 || seconds > kLongest) return;
  *progress.mutable_remaining() = ToDuration(static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace sluice
