#include "pipeline/async/device_lanes.h"

#include <cassert>
#include <condition_variable>
#include <coroutine>
#include <exception>
#include <vector>

namespace sluice {

// `width` runners, coroutines that live as long as the lane, take what is queued one by one: a
// place in the lane is a runner.
class DeviceLanes::Lane final : public Executor {
 public:
  Lane(Executor& base, std::size_t width) : base_(base) {
    runners_.reserve(width);
    for (std::size_t i = 0; i < width; ++i) runners_.push_back(Run(*this).frame);
    resting_ = runners_;
  }

  ~Lane() override {
    std::unique_lock lock(mutex_);
    assert(queue_.empty() && "DeviceLanes destroyed with coroutines queued");
    all_rest_.wait(lock, [this] { return resting_.size() == runners_.size(); });
    for (const std::coroutine_handle<> runner : runners_) runner.destroy();
  }

  void Post(std::coroutine_handle<> coroutine) override {
    // Posted under the lock: the lane may be destroyed as soon as the coroutine has run.
    std::lock_guard lock(mutex_);
    queue_.Push(coroutine);
    if (resting_.empty()) return;
    const std::coroutine_handle<> runner = resting_.back();
    resting_.pop_back();
    base_.Post(runner);
  }

  void Hurry(std::coroutine_handle<> coroutine) override {
    std::lock_guard lock(mutex_);
    if (!queue_.Remove(coroutine)) return;
    base_.Post(coroutine);
    base_.Hurry(coroutine);
  }

  bool HasBacklog() const override {
    std::lock_guard lock(mutex_);
    return !queue_.empty();
  }

 private:
  struct Runner {
    struct promise_type {
      Runner get_return_object() noexcept {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> frame;
  };

  // Awaited by a runner, gives what it is to resume; rests while there is nothing.
  struct NextInQueue {
    Lane& lane;
    std::coroutine_handle<> next;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> runner) {
      std::lock_guard lock(lane.mutex_);
      next = lane.queue_.Pop();
      if (next) return false;
      lane.resting_.push_back(runner);
      // Notified under the lock: the waiter destroys the lane.
      if (lane.resting_.size() == lane.runners_.size()) lane.all_rest_.notify_one();
      return true;
    }
    // Null when it rested: what woke it may have gone elsewhere.
    std::coroutine_handle<> await_resume() const noexcept { return next; }
  };

  static Runner Run(Lane& lane) {
    while (true) {
      const std::coroutine_handle<> next = co_await NextInQueue{lane, nullptr};
      if (!next) continue;
      next.resume();
      if (lane.HasBacklog()) co_await lane.base_.YieldIfBusy();
    }
  }

  Executor& base_;
  std::vector<std::coroutine_handle<>> runners_;

  mutable std::mutex mutex_;
  std::condition_variable all_rest_;
  ReadyQueue queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::coroutine_handle<>> resting_ ABSL_GUARDED_BY(mutex_);
};

DeviceLanes::DeviceLanes(Executor& base, std::size_t reads_per_device)
    : base_(base), reads_per_device_(reads_per_device) {
  assert(reads_per_device >= 1);
}

DeviceLanes::~DeviceLanes() = default;

Executor& DeviceLanes::Of(std::uint64_t device) {
  std::lock_guard lock(mutex_);
  std::unique_ptr<Lane>& lane = lanes_[device];
  if (!lane) lane = std::make_unique<Lane>(base_, reads_per_device_);
  return *lane;
}

}  // namespace sluice
