#ifndef SLUICE_PIPELINE_OPS_TRANSFORM_CONCURRENTLY_H_
#define SLUICE_PIPELINE_OPS_TRANSFORM_CONCURRENTLY_H_

#include <cassert>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

// The place where a child leaves its result. Shared: either side may end first.
template <typename R>
class PendingResult final {
 public:
  void Set(std::optional<R> value, std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    error_ = std::move(error);
    ready_ = true;
    became_ready_.Notify();
  }

  bool ready() const {
    std::lock_guard lock(mutex_);
    return ready_;
  }

  // Waits without a limit: the child always sets a result, also when it is told to stop.
  Task<R> Take(Executor& executor) {
    while (true) {
      const std::uint64_t seen = became_ready_.count();
      if (ready()) break;
      co_await became_ready_.Wait(executor, seen);
    }
    if (error_) std::rethrow_exception(error_);
    co_return *std::move(value_);
  }

 private:
  mutable std::mutex mutex_;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<R> value_;    // Not written any more once ready.
  std::exception_ptr error_;  // The same.
  Signal became_ready_;
};

template <typename R, typename T, typename Fn>
Task<> SetResult(std::shared_ptr<PendingResult<R>> result, Fn fn, T item, std::stop_token stop) {
  std::optional<R> value;
  std::exception_ptr error;
  try {
    ThrowIfStopRequested(stop);
    value.emplace(co_await fn(std::move(item), stop));
  } catch (...) {
    error = std::current_exception();
  }
  result->Set(std::move(value), std::move(error));
}

// Stops the children of a generator that ends or is dropped, or whose scope is stopped.
class StopOnExit final {
 public:
  explicit StopOnExit(std::stop_token parent) : on_parent_(std::move(parent), Forward{source_}) {}
  ~StopOnExit() { source_.request_stop(); }
  StopOnExit(const StopOnExit&) = delete;
  StopOnExit& operator=(const StopOnExit&) = delete;
  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Forward {
    std::stop_source source;
    void operator()() { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Forward> on_parent_;
};

template <typename R, typename T, typename Fn>
AsyncGenerator<R> TransformConcurrentlyImpl(AsyncGenerator<T> source, JobScope& scope,
                                            std::size_t limit, Fn fn) {
  StopOnExit children(scope.stop_token());
  std::deque<std::shared_ptr<PendingResult<R>>> in_flight;
  bool source_ended = false;
  std::exception_ptr source_error;
  while (true) {
    // One for the one that left, and more only while there is nothing to hand on yet.
    bool may_pull = true;
    while (!source_ended && in_flight.size() < limit && may_pull) {
      std::optional<T> item;
      try {
        item = co_await source.Next();
      } catch (...) {
        source_error = std::current_exception();  // Thrown in its place: after what is in flight.
      }
      if (!item) {
        source_ended = true;
        break;
      }
      auto result = std::make_shared<PendingResult<R>>();
      in_flight.push_back(result);
      scope.Spawn(SetResult<R, T, Fn>(std::move(result), fn, *std::move(item), children.token()));
      may_pull = !in_flight.front()->ready();
    }
    if (in_flight.empty()) {
      if (source_error) std::rethrow_exception(source_error);
      co_return;
    }
    const std::shared_ptr<PendingResult<R>> oldest = std::move(in_flight.front());
    in_flight.pop_front();
    co_yield co_await oldest->Take(scope.executor());
  }
}

}  // namespace internal

// Applies `fn(T, std::stop_token) -> Task<R>` to at most `limit` items at a time, on the executor
// of `scope`, and yields the results in the order of the source.
//
// Bound: pulled - yielded <= limit. Lazy: nothing runs before the first pull, and the source only
// during one: a result that is ready while the source is awaited comes when that await ends.
// Errors: what `fn` throws ends the sequence in its item's place, and the others are told to stop;
// what the source throws comes after the results of the items before it.
// Cancellation: `fn` is given a token that is stopped with the scope, and when this generator ends
// or is dropped; the scope's Join waits for what still runs then.
// Lifetime: what `fn` refers to outlives the scope's Join. REQUIRES: limit >= 1.
template <typename Fn>
auto TransformConcurrently(JobScope& scope, std::size_t limit, Fn fn) {
  assert(limit >= 1);
  return [&scope, limit, fn = std::move(fn)]<typename T>(AsyncGenerator<T> source) {
    using R = typename std::invoke_result_t<const Fn&, T, std::stop_token>::value_type;
    return internal::TransformConcurrentlyImpl<R, T, Fn>(std::move(source), scope, limit, fn);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TRANSFORM_CONCURRENTLY_H_
