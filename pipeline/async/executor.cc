#include "pipeline/async/executor.h"

#include <algorithm>
#include <cassert>
#include <condition_variable>

#include "pipeline/async/status_error.h"

namespace sluice {

bool Executor::StoppableHop::await_suspend(std::coroutine_handle<> coroutine) {
  if (stop_.stop_possible()) on_stop_.emplace(stop_, OnStop{this});
  std::lock_guard lock(mutex_);
  if (stopped_) return false;
  posted_ = coroutine;
  executor_.Post(coroutine);
  return true;
}

void Executor::StoppableHop::HurryAfterStop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  if (posted_) executor_.Hurry(posted_);
}

void Executor::StoppableHop::await_resume() {
  {
    std::lock_guard until_posted(mutex_);
  }
  on_stop_.reset();  // Waits for a callback that is running.
  ThrowIfStopRequested(stop_);
}

std::coroutine_handle<> ReadyQueue::Pop() {
  if (waiting_.empty()) return nullptr;
  const std::coroutine_handle<> oldest = waiting_.front();
  waiting_.pop_front();
  return oldest;
}

bool ReadyQueue::Remove(std::coroutine_handle<> coroutine) {
  const auto found = std::find(waiting_.begin(), waiting_.end(), coroutine);
  if (found == waiting_.end()) return false;
  waiting_.erase(found);
  return true;
}

void ReadyQueue::MoveToFront(std::coroutine_handle<> coroutine) {
  if (Remove(coroutine)) waiting_.push_front(coroutine);
}

struct ThreadPool::Shared {
  std::mutex mutex;
  std::condition_variable ready;
  ReadyQueue queue ABSL_GUARDED_BY(mutex);
  std::size_t idle ABSL_GUARDED_BY(mutex) = 0;  // Threads that wait and were not notified.
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

ThreadPool::ThreadPool(std::size_t threads) : shared_(std::make_shared<Shared>()) {
  assert(threads >= 1);
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([shared = shared_] { RunUntilStopped(*shared); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->ready.notify_all();
  for (std::thread& thread : threads_) thread.join();
  std::lock_guard lock(shared_->mutex);
  assert(shared_->queue.empty() && "ThreadPool destroyed with coroutines queued");
}

// Notifies after it has left the mutex, or the thread that wakes would wait for it at once. By then
// the coroutine may have run, and the pool be destroyed: hence the share.
void ThreadPool::Post(std::coroutine_handle<> coroutine) {
  const std::shared_ptr<Shared> shared = shared_;
  {
    std::lock_guard lock(shared->mutex);
    shared->queue.Push(coroutine);
    if (shared->idle == 0) return;
    --shared->idle;
  }
  shared->ready.notify_one();
}

void ThreadPool::Hurry(std::coroutine_handle<> coroutine) {
  std::lock_guard lock(shared_->mutex);
  shared_->queue.MoveToFront(coroutine);
}

bool ThreadPool::HasBacklog() const {
  std::lock_guard lock(shared_->mutex);
  return !shared_->queue.empty();
}

void ThreadPool::RunUntilStopped(Shared& shared) {
  std::unique_lock lock(shared.mutex);
  while (true) {
    while (shared.queue.empty() && !shared.stopping) {
      ++shared.idle;
      shared.ready.wait(lock);
    }
    if (shared.queue.empty()) return;
    const std::coroutine_handle<> coroutine = shared.queue.Pop();
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
  queue_.Push(coroutine);
}

void ManualExecutor::Hurry(std::coroutine_handle<> coroutine) {
  std::lock_guard lock(mutex_);
  queue_.MoveToFront(coroutine);
}

bool ManualExecutor::HasBacklog() const {
  std::lock_guard lock(mutex_);
  return !queue_.empty();
}

bool ManualExecutor::RunOne() {
  std::coroutine_handle<> coroutine;
  {
    std::lock_guard lock(mutex_);
    coroutine = queue_.Pop();
  }
  if (!coroutine) return false;
  coroutine.resume();
  return true;
}

std::size_t ManualExecutor::RunAll() {
  std::size_t resumed = 0;
  while (RunOne()) ++resumed;
  return resumed;
}

}  // namespace sluice
