#ifndef SLUICE_PIPELINE_ASYNC_ASYNC_GENERATOR_H_
#define SLUICE_PIPELINE_ASYNC_ASYNC_GENERATOR_H_

#include <cassert>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace sluice {

// A sequence that is computed as it is asked for
// ==============================================
//
// A coroutine that returns AsyncGenerator<T> may `co_yield` values and `co_await` anything. It runs
// only while somebody waits for its next value, so that backpressure is not code: a consumer that
// does not ask stops everything behind it.
//
//   AsyncGenerator<int> Squares(AsyncGenerator<int> source) {
//     while (auto value = co_await source.Next()) co_yield *value * *value;
//   }
//
//   AsyncGenerator<int> squares = Squares(Numbers());
//   while (auto square = co_await squares.Next()) Use(*square);
//
// A value that is ready is handed over by symmetric transfer: no allocation, no thread hop, no
// growth of the stack. The generator goes on, after an await, on the thread that resumed it; its
// consumer goes on wherever the value was yielded.
//
// An exception that leaves the coroutine is thrown by the `Next` that met it. After the end or an
// exception `Next` returns nullopt.
//
// Dropping a generator that is suspended at a `co_yield` (or was never started) destroys what its
// frame holds, at once. REQUIRES: no `Next` is in progress then.
//
// Move-only. Single consumer: not thread-safe, but may move between threads between two calls.
// Lifetime: parameters passed by reference outlive the generator. Cancellation: by the
// std::stop_token that stages take; it ends the sequence with `Cancelled`.
template <typename T>
class [[nodiscard]] AsyncGenerator final {
 public:
  class promise_type;
  using value_type = T;

  AsyncGenerator(AsyncGenerator&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  AsyncGenerator& operator=(AsyncGenerator&& other) noexcept {
    if (this != &other) {
      Drop();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~AsyncGenerator() { Drop(); }

  // Awaited, gives the next value, or nullopt at the end.
  [[nodiscard]] auto Next() noexcept { return NextAwaiter(frame_); }

 private:
  using Handle = std::coroutine_handle<promise_type>;
  class NextAwaiter;

  explicit AsyncGenerator(Handle frame) noexcept : frame_(frame) {}

  void Drop() noexcept {
    if (!frame_) return;
    assert(!frame_.promise().consumer_ && "AsyncGenerator dropped while Next() is in progress");
    frame_.destroy();
  }

  Handle frame_;
};

template <typename T>
class AsyncGenerator<T>::promise_type final {
 public:
  AsyncGenerator get_return_object() noexcept {
    return AsyncGenerator(Handle::from_promise(*this));
  }
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct HandOver {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle frame) noexcept {
      return std::exchange(frame.promise().consumer_, nullptr);
    }
    void await_resume() const noexcept {}
  };

  // Hands over a copy that lives in the frame as long as the generator is suspended.
  struct HandOverCopy : HandOver {
    explicit HandOverCopy(T value) : copy(std::move(value)) {}
    std::coroutine_handle<> await_suspend(Handle frame) noexcept {
      frame.promise().value_ = std::addressof(copy);
      return HandOver::await_suspend(frame);
    }
    T copy;
  };

  HandOver yield_value(T&& value) noexcept {
    value_ = std::addressof(value);
    return {};
  }
  HandOverCopy yield_value(const T& value) { return HandOverCopy(value); }

  HandOver final_suspend() noexcept {
    value_ = nullptr;
    return {};
  }
  void return_void() noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

 private:
  friend class AsyncGenerator;

  std::coroutine_handle<> consumer_;  // Set while a Next() is in progress.
  T* value_ = nullptr;                // Lives in the frame of the suspended generator.
  std::exception_ptr error_;
};

template <typename T>
class AsyncGenerator<T>::NextAwaiter final {
 public:
  explicit NextAwaiter(Handle frame) noexcept : frame_(frame) {}

  bool await_ready() const noexcept { return !frame_ || frame_.done(); }

  std::coroutine_handle<> await_suspend(std::coroutine_handle<> consumer) noexcept {
    assert(!frame_.promise().consumer_ && "a second Next() while one is in progress");
    frame_.promise().consumer_ = consumer;
    return frame_;
  }

  std::optional<T> await_resume() {
    if (!frame_) return std::nullopt;
    auto& promise = frame_.promise();
    if (promise.error_) std::rethrow_exception(std::exchange(promise.error_, nullptr));
    if (!promise.value_) return std::nullopt;
    return std::optional<T>(std::move(*std::exchange(promise.value_, nullptr)));
  }

 private:
  Handle frame_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_ASYNC_GENERATOR_H_
