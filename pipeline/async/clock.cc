#include "pipeline/async/clock.h"

#include <algorithm>
#include <cassert>

namespace sluice {

void Clock::AlarmQueue::Add(Alarm& alarm, TimePoint when) {
  assert(!alarm.entry_ && "an alarm was armed twice");
  alarm.entry_ = alarms_.emplace(when, &alarm);
}

void Clock::AlarmQueue::Remove(Alarm& alarm) {
  if (!alarm.entry_) return;
  alarms_.erase(*alarm.entry_);
  alarm.entry_.reset();
}

Clock::Alarm* Clock::AlarmQueue::TakeDue(TimePoint now) {
  if (empty() || next() > now) return nullptr;
  Alarm* alarm = alarms_.begin()->second;
  Remove(*alarm);
  return alarm;
}

SystemClock::SystemClock() : thread_([this] { RunUntilStopped(); }) {}

SystemClock::~SystemClock() {
  {
    std::lock_guard lock(mutex_);
    assert(armed_.empty() && "SystemClock destroyed with alarms armed");
    stopping_ = true;
  }
  sooner_.notify_one();
  thread_.join();
}

Clock::TimePoint SystemClock::Now() const { return std::chrono::steady_clock::now(); }

std::int64_t SystemClock::UnixNanos() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

void SystemClock::Arm(Alarm& alarm, TimePoint when) {
  std::lock_guard lock(mutex_);
  armed_.Add(alarm, when);
  if (when < sleeps_until_) sooner_.notify_one();
}

void SystemClock::Disarm(Alarm& alarm) {
  std::unique_lock lock(mutex_);
  armed_.Remove(alarm);
  called_.wait(lock, [&] { return running_ != &alarm; });
}

void SystemClock::RunUntilStopped() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (Alarm* alarm = armed_.TakeDue(Now())) {
      running_ = alarm;
      lock.unlock();
      alarm->OnAlarm();
      lock.lock();
      running_ = nullptr;
      called_.notify_all();
      continue;
    }
    sleeps_until_ = armed_.next();
    if (sleeps_until_ == TimePoint::max()) {
      sooner_.wait(lock);
    } else {
      sooner_.wait_until(lock, sleeps_until_);
    }
  }
}

ManualClock::~ManualClock() { assert(armed_.empty() && "ManualClock destroyed with alarms armed"); }

Clock::TimePoint ManualClock::Now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

std::int64_t ManualClock::UnixNanos() const { return Now().time_since_epoch().count(); }

void ManualClock::Arm(Alarm& alarm, TimePoint when) {
  std::lock_guard lock(mutex_);
  armed_.Add(alarm, when);
}

void ManualClock::Disarm(Alarm& alarm) {
  std::unique_lock lock(mutex_);
  armed_.Remove(alarm);
  called_.wait(lock, [&] { return running_ != &alarm; });
}

void ManualClock::Advance(Duration by) {
  std::unique_lock lock(mutex_);
  const TimePoint target = now_ + by;
  while (armed_.next() <= target) {
    now_ = std::max(now_, armed_.next());
    Alarm* alarm = armed_.TakeDue(now_);
    running_ = alarm;
    lock.unlock();
    alarm->OnAlarm();
    lock.lock();
    running_ = nullptr;
    called_.notify_all();
  }
  now_ = target;
}

}  // namespace sluice
