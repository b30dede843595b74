#include "pipeline/async/job_scope.h"

#include <cassert>
#include <coroutine>
#include <utility>

#include "pipeline/async/status_error.h"

namespace sluice {

struct JobScope::Child {
  struct promise_type {
    Child get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> frame;
};

JobScope::JobScope(Executor& executor, std::stop_token parent)
    : executor_(executor), on_parent_stop_(std::move(parent), StopSource{stop_source_}) {}

JobScope::~JobScope() { assert(live_ == 0 && "JobScope destroyed before Join"); }

JobScope::Child JobScope::Run(JobScope& scope, Task<> task) {
  std::exception_ptr error;
  try {
    // Freed before the scope hears of it: what the task holds may refer to what the scope guards.
    Task<> owned = std::move(task);
    co_await std::move(owned);
  } catch (const Cancelled&) {
    if (!scope.stop_source_.stop_requested()) error = std::current_exception();
  } catch (...) {
    error = std::current_exception();
  }
  scope.OnChildEnded(std::move(error));
}

void JobScope::Spawn(Task<> task) {
  const Child child = Run(*this, std::move(task));
  {
    std::lock_guard lock(mutex_);
    ++live_;
  }
  executor_.Post(child.frame);
}

void JobScope::OnChildEnded(std::exception_ptr error) {
  if (error) {
    {
      // Noted before the others are stopped: what they throw because of it is not the first.
      std::lock_guard lock(mutex_);
      if (!first_error_) first_error_ = std::move(error);
    }
    stop_source_.request_stop();
  }
  // Notified under the lock: Join reads `live_` under it, so the scope lives until this is left.
  std::lock_guard lock(mutex_);
  --live_;
  if (live_ == 0) ended_.Notify();
}

Task<> JobScope::Join() {
  while (true) {
    const std::uint64_t seen = ended_.count();
    {
      std::lock_guard lock(mutex_);
      if (live_ == 0) break;
    }
    co_await ended_.Wait(executor_, seen);
  }
  std::exception_ptr error;
  {
    std::lock_guard lock(mutex_);
    error = std::exchange(first_error_, nullptr);
  }
  if (error) std::rethrow_exception(error);
}

std::size_t JobScope::live() const {
  std::lock_guard lock(mutex_);
  return live_;
}

}  // namespace sluice
