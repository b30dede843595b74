#ifndef SLUICE_TESTS_UNIT_ASYNC_STARTED_H_
#define SLUICE_TESTS_UNIT_ASYNC_STARTED_H_

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"

namespace sluice {

// A task that was started on the thread of the test, which goes on to run a ManualExecutor or to
// move a ManualClock, and looks whether the task has ended.
template <typename T>
class Started final {
 public:
  explicit Started(Task<T> task) { Run(std::move(task), state_); }

  bool done() const { return state_->done; }

  // What the task returned or threw. REQUIRES: done().
  T Get() {
    if (!done()) throw std::logic_error("the task has not ended");
    if (state_->error) std::rethrow_exception(state_->error);
    if constexpr (!std::is_void_v<T>) return *std::move(state_->value);
  }

 private:
  struct State {
    bool done = false;
    std::exception_ptr error;
    std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
  };

  static internal::SelfStarting Run(Task<T> task, std::shared_ptr<State> state) {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(task);
      } else {
        state->value.emplace(co_await std::move(task));
      }
    } catch (...) {
      state->error = std::current_exception();
    }
    state->done = true;
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// One pull as a task, for tests that pull by hand.
template <typename T>
Task<std::optional<T>> NextOf(AsyncGenerator<T>& generator) {
  co_return co_await generator.Next();
}

// The next item of a generator that needs no other thread.
template <typename T>
std::optional<T> Pull(AsyncGenerator<T>& generator) {
  return SyncWait(NextOf(generator));
}

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_ASYNC_STARTED_H_
