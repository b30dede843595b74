#ifndef TESTS_UNIT_CLIENT_IMPATIENT_CLOCK_H_
#define TESTS_UNIT_CLIENT_IMPATIENT_CLOCK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/clock.h"

namespace sluice {

// A clock on which every wait is over as soon as it begins. Keeps how long each was.
class ImpatientClock final : public Clock {
 public:
  // Called with each wait's number, from 1; before it is over.
  std::function<void(std::size_t)> on_wait;

  TimePoint Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  std::int64_t UnixNanos() const override { return Now().time_since_epoch().count(); }

  void Arm(Alarm& alarm, TimePoint when) override {
    const std::size_t number = NoteWait(when);
    if (on_wait) on_wait(number);
    alarm.OnAlarm();
  }
  void Disarm(Alarm& /*alarm*/) override {}

  std::vector<Duration> waits() const {
    std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  std::size_t NoteWait(TimePoint when) {
    std::lock_guard lock(mutex_);
    waits_.push_back(when - now_);
    now_ = when;
    return waits_.size();
  }

  mutable std::mutex mutex_;
  TimePoint now_ ABSL_GUARDED_BY(mutex_){};
  std::vector<Duration> waits_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // TESTS_UNIT_CLIENT_IMPATIENT_CLOCK_H_
