#include "pipeline/async/executor.h"

#include <cassert>

namespace sluice {

ThreadPool::ThreadPool(std::size_t threads) {
  assert(threads >= 1);
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { RunUntilStopped(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  assert(queue_.empty() && "ThreadPool destroyed with coroutines queued");
}

void ThreadPool::Post(std::coroutine_handle<> coroutine) {
  // Notified under the lock: the pool may be destroyed as soon as the coroutine has run.
  std::lock_guard lock(mutex_);
  queue_.push_back(coroutine);
  ready_.notify_one();
}

bool ThreadPool::HasBacklog() const {
  std::lock_guard lock(mutex_);
  return !queue_.empty();
}

void ThreadPool::RunUntilStopped() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::coroutine_handle<> coroutine = queue_.front();
    queue_.pop_front();
    lock.unlock();
    coroutine.resume();
    lock.lock();
  }
}

ManualExecutor::~ManualExecutor() {
  assert(queue_.empty() && "ManualExecutor destroyed with coroutines queued");
}

void ManualExecutor::Post(std::coroutine_handle<> coroutine) {
  std::lock_guard lock(mutex_);
  queue_.push_back(coroutine);
}

bool ManualExecutor::HasBacklog() const {
  std::lock_guard lock(mutex_);
  return !queue_.empty();
}

bool ManualExecutor::RunOne() {
  std::coroutine_handle<> coroutine;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    coroutine = queue_.front();
    queue_.pop_front();
  }
  coroutine.resume();
  return true;
}

std::size_t ManualExecutor::RunAll() {
  std::size_t resumed = 0;
  while (RunOne()) ++resumed;
  return resumed;
}

}  // namespace sluice
