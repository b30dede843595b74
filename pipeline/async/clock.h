#ifndef SLUICE_PIPELINE_ASYNC_CLOCK_H_
#define SLUICE_PIPELINE_ASYNC_CLOCK_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"

namespace sluice {

// Time, and being called when it has come. Injected, so that tests own it.
// Thread-safe. Lifetime: outlives every armed alarm.
class Clock {
 public:
  using Duration = std::chrono::nanoseconds;
  // Monotonic.
  using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

  class Alarm;

  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  virtual TimePoint Now() const = 0;
  // Nanoseconds since 1970-01-01 UTC.
  virtual std::int64_t UnixNanos() const = 0;

  virtual void Arm(Alarm& alarm, TimePoint when) = 0;
  // Afterwards the callback neither runs nor will run. Waits for one that is running, so it is
  // never called from within it. Does nothing for an alarm that is not armed.
  virtual void Disarm(Alarm& alarm) = 0;

 protected:
  class AlarmQueue;
  using AlarmMap = std::multimap<TimePoint, Alarm*>;
};

// A call at a moment. Armed at most once at a time. The callback runs on a thread of the clock (or
// of the test that advances it) and must be short: it only wakes somebody.
class Clock::Alarm {
 public:
  Alarm() = default;
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual void OnAlarm() = 0;

 protected:
  ~Alarm() = default;

 private:
  friend class AlarmQueue;
  std::optional<AlarmMap::iterator> entry_;  // While armed; guarded by the clock's mutex.
};

// The armed alarms by their moment; those of one moment in the order in which they were armed.
class Clock::AlarmQueue final {
 public:
  void Add(Alarm& alarm, TimePoint when);
  void Remove(Alarm& alarm);
  // Takes the first alarm out if its moment is not after `now`; nullptr otherwise.
  Alarm* TakeDue(TimePoint now);

  bool empty() const { return alarms_.empty(); }
  // The first alarm's; the end of time if there is none.
  TimePoint next() const { return empty() ? TimePoint::max() : alarms_.begin()->first; }

 private:
  AlarmMap alarms_;
};

// The clocks of the system, and one thread that calls alarms. It sleeps until the first of them, or
// for good when there is none; arming wakes it only to call earlier than it meant to.
// Destruction joins the thread. REQUIRES: no alarm is armed by then.
class SystemClock final : public Clock {
 public:
  SystemClock();
  ~SystemClock() override;

  TimePoint Now() const override;
  std::int64_t UnixNanos() const override;
  void Arm(Alarm& alarm, TimePoint when) override;
  void Disarm(Alarm& alarm) override;

 private:
  void RunUntilStopped();

  std::mutex mutex_;
  std::condition_variable sooner_;  // The thread is to look again.
  std::condition_variable called_;  // No callback is running.
  AlarmQueue armed_ ABSL_GUARDED_BY(mutex_);
  TimePoint sleeps_until_ ABSL_GUARDED_BY(mutex_) = TimePoint::max();
  const Alarm* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// A clock that moves only when a test says so.
class ManualClock final : public Clock {
 public:
  ManualClock() = default;
  ~ManualClock() override;

  TimePoint Now() const override;
  std::int64_t UnixNanos() const override;
  void Arm(Alarm& alarm, TimePoint when) override;
  void Disarm(Alarm& alarm) override;

  // Moves on, calling the alarms whose time comes, in their order, on this thread; `Now` is then
  // the alarm's moment. REQUIRES: one caller at a time.
  void Advance(Duration by);

 private:
  mutable std::mutex mutex_;
  std::condition_variable called_;
  TimePoint now_ ABSL_GUARDED_BY(mutex_){};
  AlarmQueue armed_ ABSL_GUARDED_BY(mutex_);
  const Alarm* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_CLOCK_H_
