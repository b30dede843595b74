#ifndef SLUICE_PIPELINE_ASYNC_TASK_H_
#define SLUICE_PIPELINE_ASYNC_TASK_H_

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace sluice {

// An asynchronous function: one result, once
// ==========================================
//
// Lazy: nothing runs before the task is awaited, and then it runs at once on the awaiting thread.
//
//   Task<Digest> DigestOf(File file);
//   Digest digest = co_await DigestOf(std::move(file));
//
// To run tasks beside each other, spawn them on a JobScope.
//
// Move-only; awaited at most once. An exception that leaves the coroutine is thrown by the await.
// Dropping a task that has not been awaited frees its frame. REQUIRES: not dropped while awaited.
template <typename T = void>
class [[nodiscard]] Task;

namespace internal {

class TaskPromiseBase {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct ResumeAwaiting {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) noexcept {
      return frame.promise().awaiting_;
    }
    void await_resume() const noexcept {}
  };
  ResumeAwaiting final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  std::coroutine_handle<> awaiting_;

 protected:
  void RethrowError() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  std::exception_ptr error_;
};

template <typename T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T TakeResult() {
    RethrowError();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void TakeResult() { RethrowError(); }
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task final {
 public:
  using promise_type = internal::TaskPromise<T>;
  using value_type = T;

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (frame_) frame_.destroy();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> frame;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        frame.promise().awaiting_ = awaiting;
        return frame;
      }
      T await_resume() { return frame.promise().TakeResult(); }
    };
    assert(frame_ && !frame_.done() && "a task was awaited that is empty or has run");
    return Awaiter{frame_};
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

namespace internal {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace internal
}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_TASK_H_
