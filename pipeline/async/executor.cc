#include "pipeline/async/executor.h"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <cstdint>

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

// The queue, and whose turn it is. A worker has a turn while it runs a coroutine that counts.
class ThreadPool::Shared final {
 public:
  explicit Shared(const Options& options)
      : at_once_(options.at_once), patience_(options.patience), workers_(options.threads) {}

  void Post(std::coroutine_handle<> coroutine);
  void Hurry(std::coroutine_handle<> coroutine);
  bool HasBacklog();
  void Stop();
  // What a thread does. Each has an index of its own.
  void RunUntilStopped(std::size_t index);

 private:
  struct Worker {
    std::condition_variable woken;
    bool is_asleep = false;
    bool has_turn = false;
    std::uint64_t since = 0;  // The look before which its coroutine began.
  };

  // The next coroutine for a worker, which has a turn then; null when it is to stop.
  std::coroutine_handle<> Take(Worker& worker);
  void Sleep(Worker& worker, std::unique_lock<std::mutex>& lock)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveTurn(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndTurn(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the turns of those that have had one since the look before the last.
  void Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The worker to wake while a coroutine waits, if any: to run it, or to look whether those that
  // keep it waiting do so for long. Call it whenever there is one more or one less that waits.
  Worker* WhomToWake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Wake(Worker* worker);

  const std::size_t at_once_;
  const std::chrono::nanoseconds patience_;

  std::mutex mutex_;
  ReadyQueue queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<Worker> workers_;
  std::vector<Worker*> asleep_ ABSL_GUARDED_BY(mutex_);  // Without the one that looks.
  Worker* looking_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Asleep, but not for longer than patience_.
  std::size_t turns_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t looks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

void ThreadPool::Shared::GiveTurn(Worker& worker) {
  worker.has_turn = true;
  worker.since = looks_;
  ++turns_;
}

void ThreadPool::Shared::EndTurn(Worker& worker) {
  if (std::exchange(worker.has_turn, false)) --turns_;
}

void ThreadPool::Shared::Look() {
  ++looks_;
  for (Worker& worker : workers_) {
    if (worker.has_turn && worker.since + 1 < looks_) EndTurn(worker);
  }
}

ThreadPool::Shared::Worker* ThreadPool::Shared::WhomToWake() {
  if (queue_.empty()) return nullptr;
  const bool to_run = turns_ < at_once_;
  if (!to_run && looking_ != nullptr) return nullptr;
  Worker* worker = nullptr;
  if (!asleep_.empty()) {
    worker = asleep_.back();
    asleep_.pop_back();
  } else {
    worker = std::exchange(looking_, nullptr);
  }
  if (worker == nullptr) return nullptr;
  worker->is_asleep = false;
  if (to_run) GiveTurn(*worker);
  return worker;
}

// Called without the mutex, for which the thread that wakes would wait at once.
void ThreadPool::Shared::Wake(Worker* worker) {
  if (worker != nullptr) worker->woken.notify_one();
}

void ThreadPool::Shared::Post(std::coroutine_handle<> coroutine) {
  Worker* to_wake = nullptr;
  {
    std::lock_guard lock(mutex_);
    queue_.Push(coroutine);
    to_wake = WhomToWake();
  }
  Wake(to_wake);
}

void ThreadPool::Shared::Hurry(std::coroutine_handle<> coroutine) {
  std::lock_guard lock(mutex_);
  queue_.MoveToFront(coroutine);
}

bool ThreadPool::Shared::HasBacklog() {
  std::lock_guard lock(mutex_);
  return !queue_.empty();
}

void ThreadPool::Shared::Stop() {
  std::lock_guard lock(mutex_);
  assert(queue_.empty() && "ThreadPool destroyed with coroutines queued");
  stopping_ = true;
  for (Worker& worker : workers_) worker.woken.notify_one();
}

void ThreadPool::Shared::Sleep(Worker& worker, std::unique_lock<std::mutex>& lock) {
  const auto is_over = [&] { return !worker.is_asleep || stopping_; };
  worker.is_asleep = true;
  if (queue_.empty() || looking_ != nullptr) {
    asleep_.push_back(&worker);
    return worker.woken.wait(lock, is_over);
  }
  looking_ = &worker;
  if (worker.woken.wait_for(lock, patience_, is_over)) return;
  worker.is_asleep = false;
  looking_ = nullptr;
  Look();
}

std::coroutine_handle<> ThreadPool::Shared::Take(Worker& worker) {
  std::unique_lock lock(mutex_);
  while (queue_.empty() || (!worker.has_turn && turns_ == at_once_)) {
    EndTurn(worker);
    if (stopping_) return nullptr;
    Sleep(worker, lock);
  }
  EndTurn(worker);
  GiveTurn(worker);
  const std::coroutine_handle<> coroutine = queue_.Pop();
  Worker* const to_wake = WhomToWake();
  lock.unlock();
  Wake(to_wake);
  return coroutine;
}

void ThreadPool::Shared::RunUntilStopped(std::size_t index) {
  Worker& worker = workers_[index];
  while (const std::coroutine_handle<> coroutine = Take(worker)) coroutine.resume();
}

ThreadPool::ThreadPool(const Options& options) : shared_(std::make_shared<Shared>(options)) {
  assert(options.threads >= 1 && options.at_once >= 1);
  threads_.reserve(options.threads);
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([shared = shared_, i] { shared->RunUntilStopped(i); });
  }
}

ThreadPool::~ThreadPool() {
  shared_->Stop();
  for (std::thread& thread : threads_) thread.join();
}

// The coroutine may have run, and the pool be destroyed, before Post has woken whom it wakes: hence
// the share.
void ThreadPool::Post(std::coroutine_handle<> coroutine) {
  const std::shared_ptr<Shared> shared = shared_;
  shared->Post(coroutine);
}

void ThreadPool::Hurry(std::coroutine_handle<> coroutine) { shared_->Hurry(coroutine); }

bool ThreadPool::HasBacklog() const { return shared_->HasBacklog(); }

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
