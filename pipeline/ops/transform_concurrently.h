#ifndef SLUICE_PIPELINE_OPS_TRANSFORM_CONCURRENTLY_H_
#define SLUICE_PIPELINE_OPS_TRANSFORM_CONCURRENTLY_H_

#include <cassert>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/in_flight.h"
#include "pipeline/ops/is_task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename Fn, typename T>
using ConcurrentResult = std::remove_cvref_t<std::invoke_result_t<Fn&, T, std::stop_token>>;

// Takes items until it is told to stop. Keeps its thread from one item to the next, but not for
// more than `limit` of them while others wait for one.
template <typename T, typename R, typename Fn>
Task<> WorkOnItems(std::shared_ptr<InFlight<T, R>> in_flight, JobScope& scope, Fn fn) {
  using Claim = typename InFlight<T, R>::Claim;
  const std::stop_token stop = in_flight->stop_token();
  typename InFlight<T, R>::Worker worker;
  for (std::size_t turn = 0;;) {
    const Claim claim = in_flight->Exchange(worker);
    if (claim == Claim::kStopped) co_return;
    if (claim == Claim::kNothing) {
      turn = 0;
      co_await in_flight->WaitForCall(worker);
      continue;
    }
    if (claim == Claim::kItemAndSpawn) scope.Spawn(WorkOnItems<T, R, Fn>(in_flight, scope, fn));
    try {
      if constexpr (kIsTask<ConcurrentResult<Fn, T>>) {
        worker.value.emplace(co_await std::invoke(fn, *std::move(worker.item), stop));
      } else {
        worker.value.emplace(std::invoke(fn, *std::move(worker.item), stop));
      }
    } catch (...) {
      worker.error = std::current_exception();
    }
    worker.item.reset();
    worker.has_result = true;
    if (++turn == in_flight->limit()) {
      turn = 0;
      co_await scope.executor().YieldIfBusy();
    }
  }
}

// Stops the workers when the generator ends or is dropped, or its scope is stopped.
template <typename Shared>
class StopWorkersOnExit final {
 public:
  StopWorkersOnExit(std::shared_ptr<Shared> shared, std::stop_token parent)
      : shared_(std::move(shared)), on_parent_(std::move(parent), Stop{*shared_}) {}
  StopWorkersOnExit(const StopWorkersOnExit&) = delete;
  StopWorkersOnExit& operator=(const StopWorkersOnExit&) = delete;
  ~StopWorkersOnExit() { shared_->Stop(); }

 private:
  struct Stop {
    Shared& shared;
    void operator()() const { shared.Stop(); }
  };
  const std::shared_ptr<Shared> shared_;
  std::stop_callback<Stop> on_parent_;
};

template <typename T, typename R, typename Fn>
AsyncGenerator<R> TransformConcurrentlyImpl(AsyncGenerator<T> source, JobScope& scope,
                                            std::size_t limit, Fn fn, Order order,
                                            std::size_t ahead) {
  using Shared = InFlight<T, R>;
  const auto in_flight = std::make_shared<Shared>(scope.executor(), limit, limit + ahead, order);
  const StopWorkersOnExit<Shared> stop_workers(in_flight, scope.stop_token());
  bool source_ended = false;
  std::exception_ptr source_error;
  while (true) {
    // One for the one that left, and more only while there is nothing to hand on yet.
    bool may_pull = true;
    while (!source_ended && may_pull && !in_flight->full()) {
      std::optional<T> item;
      try {
        item = co_await source.Next();
      } catch (...) {
        source_error = std::current_exception();  // Thrown after what is in flight.
      }
      if (!item) {
        source_ended = true;
        break;
      }
      const bool spawn = in_flight->Add(*std::move(item));
      if (spawn) scope.Spawn(WorkOnItems<T, R, Fn>(in_flight, scope, fn));
      may_pull = !in_flight->ready();
    }
    if (in_flight->empty()) {
      if (source_error) std::rethrow_exception(source_error);
      co_return;
    }
    co_await in_flight->WaitUntilReady();
    co_yield in_flight->Take();
  }
}

}  // namespace internal

// Applies `fn(T, std::stop_token)`, which returns an R or a Task<R>, to at most `limit` items at a
// time, on the executor of `scope`, and yields the results: in the order of the source, or as they
// come.
//
//   auto digests = Files() | TransformConcurrently(scope, 8, DigestOf);
//   auto answers = Hosts() | TransformConcurrently(scope, 64, Ask, Order::kCompletion);
//
// At most `limit` workers are spawned, each once, as they are needed. A worker goes from item to
// item on its thread; the consumer is woken when there is something to hand on and gets a thread
// when a worker runs out of items, so that many results pass for one wake. With `ahead`, so many
// items more may wait for a worker, or results for the consumer, so that neither waits for the
// other where their paces differ from item to item.
//
// Lazy: nothing runs before the first Next, and the source only during one: a result that is ready
// while the source is awaited comes when that await ends.
// Bound: pulled - handed over <= limit + ahead.
// Order: `order`. Errors: what `fn` throws ends the sequence in its place in that order, and the
// others are told to stop; what the source throws comes after the results of the items before it.
// Cancellation: a stop of the scope ends the wait for a result at once, with Cancelled. `fn` is
// given a token that is stopped then, and when this generator ends or is dropped.
// Dropping: drops the source and stops the workers; the scope's Join waits for those that are in
// `fn`. The other way round, Join waits until this generator ends, is dropped, or the scope is
// stopped.
// Lifetime: each worker has a copy of `fn`; what that refers to outlives the scope's Join.
// REQUIRES: limit >= 1.
template <typename Fn>
auto TransformConcurrently(JobScope& scope, std::size_t limit, Fn fn, Order order = Order::kSource,
                           std::size_t ahead = 0) {
  assert(limit >= 1);
  return [&scope, limit, fn = std::move(fn), order, ahead]<typename T>(AsyncGenerator<T> source) {
    using Result = internal::ConcurrentResult<Fn, T>;
    if constexpr (internal::kIsTask<Result>) {
      using R = typename Result::value_type;
      return internal::TransformConcurrentlyImpl<T, R, Fn>(std::move(source), scope, limit, fn,
                                                           order, ahead);
    } else {
      return internal::TransformConcurrentlyImpl<T, Result, Fn>(std::move(source), scope, limit, fn,
                                                                order, ahead);
    }
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TRANSFORM_CONCURRENTLY_H_
