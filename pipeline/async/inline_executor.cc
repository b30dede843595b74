#include "pipeline/async/inline_executor.h"

#include <cassert>

namespace sluice {

InlineExecutor::~InlineExecutor() {
  assert(queue_.empty() && "InlineExecutor destroyed with coroutines queued");
}

void InlineExecutor::Post(std::coroutine_handle<> coroutine) {
  // Notified under the lock: the executor may be destroyed as soon as the coroutine has run.
  std::lock_guard lock(mutex_);
  queue_.Push(coroutine);
  changed_.notify_one();
}

void InlineExecutor::Hurry(std::coroutine_handle<> coroutine) {
  std::lock_guard lock(mutex_);
  queue_.MoveToFront(coroutine);
}

bool InlineExecutor::HasBacklog() const {
  std::lock_guard lock(mutex_);
  return !queue_.empty();
}

void InlineExecutor::Turn::Set() {
  std::lock_guard lock(executor_.mutex_);
  set_ = true;
  executor_.changed_.notify_one();
}

void InlineExecutor::Turn::Wait() {
  std::unique_lock lock(executor_.mutex_);
  while (true) {
    executor_.changed_.wait(lock, [this] { return set_ || !executor_.queue_.empty(); });
    if (set_) return;
    const std::coroutine_handle<> coroutine = executor_.queue_.Pop();
    lock.unlock();
    coroutine.resume();
    lock.lock();
  }
}

}  // namespace sluice
