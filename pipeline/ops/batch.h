#ifndef SLUICE_PIPELINE_OPS_BATCH_H_
#define SLUICE_PIPELINE_OPS_BATCH_H_

#include <cassert>
#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/batch_buffer.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

struct BatchOptions {
  std::size_t max_items;
  // Zero: whatever is there is handed on at once.
  Clock::Duration max_delay;
  // As `size_of` counts them: the item that reaches this many is the last of its batch.
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
};

namespace internal {

struct NoBytes {
  template <typename T>
  std::size_t operator()(const T& /*item*/) const {
    return 0;
  }
};

// Fills the buffer; what the source throws becomes the buffer's end.
template <typename T, typename SizeOf>
Task<> FillBatches(AsyncGenerator<T> source, SizeOf size_of,
                   std::shared_ptr<BatchBuffer<T>> buffer) {
  std::exception_ptr error;
  try {
    while (auto item = co_await source.Next()) {
      const std::size_t bytes = size_of(std::as_const(*item));
      if (!buffer->Push(*std::move(item), bytes)) co_await buffer->WaitForRoom();
    }
  } catch (...) {
    error = std::current_exception();
  }
  buffer->Close(std::move(error));
}

template <typename T>
class AbandonOnExit final {
 public:
  explicit AbandonOnExit(std::shared_ptr<BatchBuffer<T>> buffer) : buffer_(std::move(buffer)) {}
  AbandonOnExit(const AbandonOnExit&) = delete;
  AbandonOnExit& operator=(const AbandonOnExit&) = delete;
  ~AbandonOnExit() { buffer_->Abandon(); }

 private:
  std::shared_ptr<BatchBuffer<T>> buffer_;
};

template <typename T, typename SizeOf>
AsyncGenerator<std::vector<T>> BatchImpl(AsyncGenerator<T> source, JobScope& scope, Clock& clock,
                                         BatchOptions options, SizeOf size_of) {
  auto buffer = std::make_shared<BatchBuffer<T>>(
      scope.executor(), clock, scope.stop_token(),
      BatchBounds{.items = options.max_items, .bytes = options.max_bytes}, options.max_delay);
  AbandonOnExit<T> abandon(buffer);
  scope.Spawn(FillBatches<T, SizeOf>(std::move(source), std::move(size_of), buffer));
  while (true) {
    std::vector<T> batch = co_await buffer->Take();
    if (batch.empty()) co_return;
    co_yield std::move(batch);
  }
}

}  // namespace internal

// Gathers items into vectors, for consumers to whom a round costs more than an item: a transaction,
// a message, a hand-off between threads.
//
//   auto batches = Walk(...) | Batch(scope, clock, {.max_items = 256, .max_delay = 50ms});
//
// A batch is handed on when `max_items` are there, or `max_bytes` in all, or `max_delay` after its
// first item arrived (though the source be in the middle of producing the next one), or at the end.
// No batch is empty.
//
// Lazy: nothing is pulled before the first Next. From then on a child of `scope` pulls the source
// on the scope's executor and fills the next batch while the consumer has the last one. It wakes
// the consumer once a batch, never for an item.
// Where some items are far larger than others, `size_of(item)` says how many bytes one has:
//
//   Batch(scope, clock, {.max_items = 256, .max_delay = 50ms, .max_bytes = 1 << 20}, SizeOfRow())
//
// Bound: pulled - handed over <= max_items, and all but the last of them < max_bytes: a consumer
// that does not ask stops the source.
// Order: the source's. Errors: what came before an error is handed over first.
// Cancellation: a stop of the scope wakes the consumer, which throws Cancelled.
// Dropping: what is gathered is freed, and the child ends as soon as the source gives it an item,
// or ends. A source that may wait for long must listen to the scope's stop token: then whoever
// drops the generator half-way need only stop the scope for its Join to be prompt.
// Lifetime: `clock`, and what the source refers to, outlive the scope's Join.
// REQUIRES: options.max_items >= 1.
template <typename SizeOf = internal::NoBytes>
auto Batch(JobScope& scope, Clock& clock, BatchOptions options, SizeOf size_of = {}) {
  assert(options.max_items >= 1);
  return [&scope, &clock, options, size_of]<typename T>(AsyncGenerator<T> source) {
    return internal::BatchImpl<T, SizeOf>(std::move(source), scope, clock, options, size_of);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_BATCH_H_
