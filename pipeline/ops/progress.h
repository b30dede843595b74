#ifndef SLUICE_PIPELINE_OPS_PROGRESS_H_
#define SLUICE_PIPELINE_OPS_PROGRESS_H_

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

struct ProgressOptions {
  std::string label;
  Clock::Duration interval;
};

struct ProgressReport {
  std::string_view label;  // Valid during the call.
  std::uint64_t items;     // That have come so far.
  std::uint64_t bytes;     // What `bytes_of` said of them.
  Clock::Duration elapsed;
  // Means over `elapsed`; zero where no time has passed.
  double items_per_second;
  double bytes_per_second;
  bool last;
};

namespace internal {

// What has passed, and whether a report is due. Time is kept by an alarm that sets a flag: to look
// at the clock for every item would cost more than the stage.
class ProgressMeter final : private Clock::Alarm {
 public:
  ProgressMeter(Clock& clock, ProgressOptions options)
      : clock_(clock), options_(std::move(options)), start_(clock.Now()) {
    StartInterval(start_);
  }
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;
  ~ProgressMeter() { clock_.Disarm(*this); }

  void Add(std::uint64_t bytes) {
    ++items_;
    bytes_ += bytes;
  }

  // Relaxed: the flag says nothing of any other memory.
  bool due() const { return due_.load(std::memory_order_relaxed); }

  // The report that is due. The next interval begins now. REQUIRES: due().
  ProgressReport TakeDue() {
    const Clock::TimePoint now = clock_.Now();
    StartInterval(now);
    return ReportAt(now, false);
  }

  ProgressReport Last() const { return ReportAt(clock_.Now(), true); }

 private:
  // Keeps `now + interval` from overflowing.
  static constexpr std::chrono::hours kLongestInterval{24 * 365};

  void OnAlarm() override { due_.store(true, std::memory_order_relaxed); }

  // The flag falls before the alarm is armed, which may go off at once.
  void StartInterval(Clock::TimePoint now) {
    due_.store(false, std::memory_order_relaxed);
    clock_.Arm(*this, now + std::min<Clock::Duration>(options_.interval, kLongestInterval));
  }

  ProgressReport ReportAt(Clock::TimePoint now, bool last) const {
    const Clock::Duration elapsed = now - start_;
    const double seconds = std::chrono::duration<double>(elapsed).count();
    const auto rate = [seconds](std::uint64_t total) {
      return seconds > 0 ? static_cast<double>(total) / seconds : 0;
    };
    return {.label = options_.label,
            .items = items_,
            .bytes = bytes_,
            .elapsed = elapsed,
            .items_per_second = rate(items_),
            .bytes_per_second = rate(bytes_),
            .last = last};
  }

  Clock& clock_;
  const ProgressOptions options_;
  const Clock::TimePoint start_;
  std::uint64_t items_ = 0;
  std::uint64_t bytes_ = 0;
  std::atomic<bool> due_ = false;
};

struct NoBytes {
  template <typename T>
  std::uint64_t operator()(const T& /*item*/) const {
    return 0;
  }
};

template <typename T, typename Report, typename BytesOf>
AsyncGenerator<T> ProgressImpl(AsyncGenerator<T> source, Clock& clock, ProgressOptions options,
                               Report report, BytesOf bytes_of) {
  ProgressMeter meter(clock, std::move(options));
  std::exception_ptr error;
  try {
    while (auto item = co_await source.Next()) {
      meter.Add(std::invoke(bytes_of, std::as_const(*item)));
      if (meter.due()) std::invoke(report, meter.TakeDue());
      co_yield *std::move(item);
    }
  } catch (...) {
    error = std::current_exception();
  }
  std::invoke(report, meter.Last());
  if (error) std::rethrow_exception(error);
}

}  // namespace internal

// Yields every item unchanged, and calls `report(const ProgressReport&)` now and then: at the first
// item met after each interval, and once at the end, also when that is an error.
//
//   auto files = Walk() | Progress(clock, {.label = "scan", .interval = 1s}, Log, &Entry::size);
//
// `bytes_of(const T&)` says what an item weighs; without it `bytes` stays zero.
//
// Driven by items: it says nothing while the source is silent. Time runs from the first pull.
// Lazy. Bound: pulled - yielded <= 1. Order: the source's; an item is counted before it is yielded.
// Errors: those of the source, and what `report` and `bytes_of` throw, end the sequence, after the
// last report. What that last call throws takes the place of the error.
// Cancellation: the source's. Dropping: drops the source; there is no last report.
// Lifetime: `clock` outlives the generator. REQUIRES: options.interval > 0.
template <typename Report, typename BytesOf = internal::NoBytes>
auto Progress(Clock& clock, ProgressOptions options, Report report, BytesOf bytes_of = {}) {
  assert(options.interval > Clock::Duration::zero());
  return [&clock, options = std::move(options), report = std::move(report),
          bytes_of = std::move(bytes_of)]<typename T>(AsyncGenerator<T> source) {
    return internal::ProgressImpl<T, Report, BytesOf>(std::move(source), clock, options, report,
                                                      bytes_of);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_PROGRESS_H_
