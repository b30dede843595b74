#include "pipeline/async/clock.h"

#include <algorithm>
#include <cassert>

namespace sluice {
namespace {

void Erase(std::multimap<Clock::TimePoint, Clock::Alarm*>& armed, const Clock::Alarm& alarm) {
  auto entry = std::ranges::find_if(armed, [&](const auto& item) { return item.second == &alarm; });
  if (entry != armed.end()) armed.erase(entry);
}

}  // namespace

SystemClock::SystemClock() : thread_([this] { RunUntilStopped(); }) {}

SystemClock::~SystemClock() {
  {
    std::lock_guard lock(mutex_);
    assert(armed_.empty() && "SystemClock destroyed with alarms armed");
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

Clock::TimePoint SystemClock::Now() const { return std::chrono::steady_clock::now(); }

std::int64_t SystemClock::UnixNanos() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

void SystemClock::Arm(Alarm& alarm, TimePoint when) {
  std::lock_guard lock(mutex_);
  const auto entry = armed_.emplace(when, &alarm);
  if (entry == armed_.begin()) changed_.notify_all();
}

void SystemClock::Disarm(Alarm& alarm) {
  std::unique_lock lock(mutex_);
  Erase(armed_, alarm);
  changed_.wait(lock, [&] { return running_ != &alarm; });
}

void SystemClock::RunUntilStopped() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (armed_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const TimePoint next = armed_.begin()->first;
    if (Now() < next) {
      changed_.wait_until(lock, next);
      continue;
    }
    running_ = armed_.begin()->second;
    armed_.erase(armed_.begin());
    Alarm* alarm = running_;
    lock.unlock();
    alarm->OnAlarm();
    lock.lock();
    running_ = nullptr;
    changed_.notify_all();
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
  armed_.emplace(when, &alarm);
}

void ManualClock::Disarm(Alarm& alarm) {
  std::lock_guard lock(mutex_);
  Erase(armed_, alarm);
}

void ManualClock::Advance(Duration by) {
  std::unique_lock lock(mutex_);
  const TimePoint target = now_ + by;
  while (!armed_.empty() && armed_.begin()->first <= target) {
    now_ = std::max(now_, armed_.begin()->first);
    Alarm* alarm = armed_.begin()->second;
    armed_.erase(armed_.begin());
    lock.unlock();
    alarm->OnAlarm();
    lock.lock();
  }
  now_ = target;
}

}  // namespace sluice
