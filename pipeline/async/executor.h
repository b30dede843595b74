#ifndef SLUICE_PIPELINE_ASYNC_EXECUTOR_H_
#define SLUICE_PIPELINE_ASYNC_EXECUTOR_H_

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"

namespace sluice {

// Where coroutines run. `Post` never runs the coroutine inside the call.
// Thread-safe. Lifetime: outlives every coroutine that was posted.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  // Resumes `coroutine` soon, on one of the executor's threads.
  virtual void Post(std::coroutine_handle<> coroutine) = 0;

  // Takes a posted coroutine that still waits out of its turn: it is next. Does nothing for one
  // that does not wait here (any more).
  virtual void Hurry(std::coroutine_handle<> coroutine) = 0;

  // True when a posted coroutine waits for a thread.
  virtual bool HasBacklog() const = 0;

  // `co_await executor.Schedule()` goes on on one of the executor's threads.
  [[nodiscard]] auto Schedule() noexcept { return Hop{*this, false}; }

  // The same, and a stop ends the wait: it then throws Cancelled, ahead of all who wait.
  class StoppableHop;
  [[nodiscard]] StoppableHop Schedule(std::stop_token stop);

  // Schedule(), but only when somebody else waits for a thread: lets long jobs share.
  [[nodiscard]] auto YieldIfBusy() noexcept { return Hop{*this, true}; }

 private:
  struct Hop {
    Executor& executor;
    bool only_if_busy;
    bool await_ready() const noexcept { return only_if_busy && !executor.HasBacklog(); }
    void await_suspend(std::coroutine_handle<> coroutine) const { executor.Post(coroutine); }
    void await_resume() const noexcept {}
  };
};

// What `co_await executor.Schedule(stop)` waits with.
class Executor::StoppableHop final {
 public:
  StoppableHop(Executor& executor, std::stop_token stop)
      : executor_(executor), stop_(std::move(stop)) {}
  StoppableHop(const StoppableHop&) = delete;
  StoppableHop& operator=(const StoppableHop&) = delete;

  bool await_ready() const noexcept { return stop_.stop_requested(); }
  bool await_suspend(std::coroutine_handle<> coroutine);
  void await_resume();

 private:
  struct OnStop {
    StoppableHop* hop;
    void operator()() const { hop->HurryAfterStop(); }
  };
  void HurryAfterStop();

  Executor& executor_;
  const std::stop_token stop_;
  std::optional<std::stop_callback<OnStop>> on_stop_;

  // Held while posting: the coroutine may come to await_resume before Post has returned.
  std::mutex mutex_;
  std::coroutine_handle<> posted_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

inline Executor::StoppableHop Executor::Schedule(std::stop_token stop) {
  return StoppableHop(*this, std::move(stop));
}

// The coroutines that wait for a thread, first in first out. Guarded by its owner.
class ReadyQueue final {
 public:
  bool empty() const { return waiting_.empty(); }
  void Push(std::coroutine_handle<> coroutine) { waiting_.push_back(coroutine); }
  // The oldest; null when there is none.
  std::coroutine_handle<> Pop();
  // False when it is not here.
  bool Remove(std::coroutine_handle<> coroutine);
  void MoveToFront(std::coroutine_handle<> coroutine);

 private:
  std::deque<std::coroutine_handle<>> waiting_;
};

// A fixed number of threads and one queue, first in first out. The queue holds coroutines that are
// ready, so it is bounded by the number of coroutines alive.
//
// Of those that use the processor no more should run at once than there are processors: they would
// only take turns. Of those that wait, for a disk say, more should, or the processors are idle.
// What a coroutine will do nobody knows; but one that waits does not give its thread back soon. So
// `at_once` coroutines run at a time, not counting those that have run for `patience` or longer,
// for which others run on the threads that are left.
//
// Destruction joins the threads. REQUIRES: nothing is queued and nothing will be posted by then; a
// Post whose coroutine has run already may still be on its way out.
class ThreadPool final : public Executor {
 public:
  struct Options {
    std::size_t threads;  // REQUIRES: >= 1.
    std::size_t at_once;  // REQUIRES: >= 1. So many as there are threads, or more: no limit.
    std::chrono::nanoseconds patience = std::chrono::milliseconds(2);  // To twice that.
  };

  explicit ThreadPool(const Options& options);
  // All threads at once.
  explicit ThreadPool(std::size_t threads) : ThreadPool(Options{threads, threads}) {}
  ~ThreadPool() override;

  void Post(std::coroutine_handle<> coroutine) override;
  void Hurry(std::coroutine_handle<> coroutine) override;
  bool HasBacklog() const override;
  std::size_t thread_count() const { return threads_.size(); }

 private:
  class Shared;

  // Shared with calls of Post: see there.
  const std::shared_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
};

// An executor without threads, which a test drains by hand.
class ManualExecutor final : public Executor {
 public:
  ~ManualExecutor() override;

  void Post(std::coroutine_handle<> coroutine) override;
  void Hurry(std::coroutine_handle<> coroutine) override;
  bool HasBacklog() const override;

  // Resumes the oldest coroutine on the calling thread; false when none is queued.
  bool RunOne();
  // Until none is queued; returns how many were resumed.
  std::size_t RunAll();

 private:
  mutable std::mutex mutex_;
  ReadyQueue queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_EXECUTOR_H_
