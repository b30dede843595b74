#ifndef SLUICE_PIPELINE_OPS_BATCH_BUFFER_H_
#define SLUICE_PIPELINE_OPS_BATCH_BUFFER_H_

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"

namespace sluice::internal {

// A batch that reaches either is full.
struct BatchBounds {
  std::size_t items;
  std::size_t bytes;
};

// What Batch's two coroutines share: the batch being filled, and the alarm that says that it has
// waited long enough. The producer calls Push, WaitForRoom and Close; the consumer Take and
// Abandon. Either may end first, so both own it.
//
// Locks: the alarm is armed and disarmed under `mutex_`, so that it is always the present batch's;
// as Disarm waits for OnAlarm, OnAlarm takes no `mutex_`.
template <typename T>
class BatchBuffer final : private Clock::Alarm {
 public:
  BatchBuffer(Executor& executor, Clock& clock, std::stop_token stop, BatchBounds bounds,
              Clock::Duration max_delay)
      : executor_(executor),
        clock_(clock),
        stop_(std::move(stop)),
        bounds_(bounds),
        max_delay_(std::min<Clock::Duration>(max_delay, kLongestDelay)) {}
  BatchBuffer(const BatchBuffer&) = delete;
  BatchBuffer& operator=(const BatchBuffer&) = delete;
  ~BatchBuffer() { assert(!alarm_armed_ && "BatchBuffer destroyed before Abandon"); }

  // Returns whether there is room for another. Throws Cancelled when the consumer is gone.
  // REQUIRES: there is room.
  [[nodiscard]] bool Push(T&& item, std::size_t bytes) {
    bool full = false;
    bool wake = false;
    {
      std::lock_guard lock(mutex_);
      if (abandoned_) throw Cancelled();
      items_.push_back(std::move(item));
      bytes_ += bytes;
      full = IsFull();
      if (items_.size() == 1 && !full) StartDelay();
      wake = full || (due_ && items_.size() == 1);
    }
    if (wake) ready_.Notify();
    return !full;
  }

  // Throws Cancelled when the consumer is gone or the scope is stopped.
  Task<> WaitForRoom() {
    while (true) {
      const std::uint64_t seen = room_.count();
      {
        std::lock_guard lock(mutex_);
        if (abandoned_) throw Cancelled();
        if (!IsFull()) co_return;
      }
      const Wake wake = co_await room_.Wait(executor_, seen, {.stop = stop_});
      if (wake == Wake::kStopped) throw Cancelled();
    }
  }

  // Nothing more will be pushed.
  void Close(std::exception_ptr error) {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      error_ = std::move(error);
    }
    ready_.Notify();
  }

  // Waits for a batch that may be handed on; an empty one is the end. Throws the error that Close
  // was given once the items before it are taken.
  Task<std::vector<T>> Take() {
    while (true) {
      const std::uint64_t seen = ready_.count();
      if (std::optional<std::vector<T>> batch = TryTake()) {
        room_.Notify();
        co_return *std::move(batch);
      }
      const Wake wake = co_await ready_.Wait(executor_, seen, {.stop = stop_});
      if (wake == Wake::kStopped) throw Cancelled();
    }
  }

  // Nothing more will be taken.
  void Abandon() {
    std::vector<T> dropped;  // Freed after the lock.
    {
      std::lock_guard lock(mutex_);
      abandoned_ = true;
      EndDelay();
      dropped.swap(items_);
    }
    room_.Notify();
  }

 private:
  // Keeps `now + delay` from overflowing.
  static constexpr std::chrono::hours kLongestDelay{24 * 365};

  bool IsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return items_.size() >= bounds_.items || bytes_ >= bounds_.bytes;
  }

  void StartDelay() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (max_delay_ <= Clock::Duration::zero()) {
      due_ = true;
      return;
    }
    alarm_armed_ = true;
    clock_.Arm(*this, clock_.Now() + max_delay_);
  }

  void EndDelay() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(alarm_armed_, false)) clock_.Disarm(*this);
    due_ = false;
  }

  void OnAlarm() override {
    due_ = true;
    ready_.Notify();
  }

  std::optional<std::vector<T>> TryTake() {
    std::vector<T> batch;
    std::lock_guard lock(mutex_);
    if (!closed_ && !due_ && !IsFull()) return std::nullopt;
    if (items_.empty() && error_) std::rethrow_exception(error_);
    EndDelay();
    // The next batch will hardly be larger than this one.
    if (!closed_) batch.reserve(items_.size());
    batch.swap(items_);
    bytes_ = 0;
    return batch;
  }

  Executor& executor_;
  Clock& clock_;
  const std::stop_token stop_;
  const BatchBounds bounds_;
  const Clock::Duration max_delay_;

  std::mutex mutex_;
  std::vector<T> items_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of all items_.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  bool alarm_armed_ ABSL_GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);
  // Set by the alarm, without the mutex; cleared under it, once the alarm can no longer run.
  std::atomic<bool> due_ = false;

  Signal ready_;  // There may be a batch to take.
  Signal room_;   // There may be room.
};

}  // namespace sluice::internal

#endif  // SLUICE_PIPELINE_OPS_BATCH_BUFFER_H_
