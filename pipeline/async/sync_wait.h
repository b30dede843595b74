#ifndef SLUICE_PIPELINE_ASYNC_SYNC_WAIT_H_
#define SLUICE_PIPELINE_ASYNC_SYNC_WAIT_H_

#include <condition_variable>
#include <coroutine>
#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "pipeline/async/task.h"

namespace sluice {

namespace internal {

// Set by the last act of a coroutine; waited for by a thread.
class Completion final {
 public:
  void Set() {
    // Notified under the lock: the waiter may destroy this as soon as it sees `set_`.
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// A coroutine that starts at once, on the calling thread, and frees itself at its end.
struct SelfStarting {
  struct promise_type {
    SelfStarting get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <typename T, typename Done>
SelfStarting RunInto(Task<T> task, std::optional<T>& value, std::exception_ptr& error, Done& done) {
  try {
    // Freed before the waiter goes on: what the task holds may refer to the waiter's locals.
    Task<T> owned = std::move(task);
    value.emplace(co_await std::move(owned));
  } catch (...) {
    error = std::current_exception();
  }
  done.Set();
}

template <typename Done>
SelfStarting RunInto(Task<void> task, std::exception_ptr& error, Done& done) {
  try {
    Task<void> owned = std::move(task);
    co_await std::move(owned);
  } catch (...) {
    error = std::current_exception();
  }
  done.Set();
}

// Starts the task here, waits until it has set `done`, and gives what it gave.
template <typename T, typename Done>
T WaitFor(Task<T> task, Done& done) {
  std::exception_ptr error;
  if constexpr (std::is_void_v<T>) {
    RunInto(std::move(task), error, done);
    done.Wait();
    if (error) std::rethrow_exception(error);
  } else {
    std::optional<T> value;
    RunInto(std::move(task), value, error, done);
    done.Wait();
    if (error) std::rethrow_exception(error);
    return *std::move(value);
  }
}

}  // namespace internal

// Runs a task from a thread that is no coroutine, and blocks that thread until it has ended: for
// main() and tests. Never on an executor's thread. Throws what the task throws.
template <typename T>
T SyncWait(Task<T> task) {
  internal::Completion done;
  return internal::WaitFor(std::move(task), done);
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_SYNC_WAIT_H_
