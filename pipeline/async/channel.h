#ifndef SLUICE_PIPELINE_ASYNC_CHANNEL_H_
#define SLUICE_PIPELINE_ASYNC_CHANNEL_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"

namespace sluice {

// A bounded queue between coroutines of the same job
// ==================================================
//
// `Send` waits while `capacity` items are queued: that wait is the backpressure.
//
//   Channel<Chunk> chunks(scope.executor(), 4);
//   scope.Spawn(Produce(chunks));                    // co_await chunks.Send(...); chunks.Close();
//   while (auto chunk = co_await chunks.Receive()) Use(*chunk);
//
// Thread-safe, any number of senders and receivers. Order: first in, first out.
// Lifetime: outlives both sides. Cancellation: `stop` wakes every waiter, which throws Cancelled; a
// call that need not wait is not affected.
// Errors: after Close(error), receivers get what is queued and then the error; senders throw
// Cancelled, since nobody will take what they have.
template <typename T>
class Channel final {
 public:
  // REQUIRES: capacity >= 1.
  Channel(Executor& executor, std::size_t capacity, std::stop_token stop = {})
      : executor_(executor), capacity_(capacity), stop_(std::move(stop)) {
    assert(capacity >= 1);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Waits for room. Throws Cancelled when the channel is closed, or stopped meanwhile.
  Task<> Send(T item) {
    while (true) {
      const std::uint64_t seen = changed_.count();
      {
        std::lock_guard lock(mutex_);
        if (closed_) throw Cancelled();
        if (items_.size() < capacity_) {
          items_.push_back(std::move(item));
          break;
        }
      }
      co_await WaitForChange(seen);
    }
    changed_.Notify();
  }

  // Waits for an item; nullopt when the channel is closed and empty.
  Task<std::optional<T>> Receive() {
    std::optional<T> item;
    while (true) {
      const std::uint64_t seen = changed_.count();
      {
        std::lock_guard lock(mutex_);
        if (!items_.empty()) {
          item.emplace(std::move(items_.front()));
          items_.pop_front();
          break;
        }
        if (error_) std::rethrow_exception(error_);
        if (closed_) co_return std::nullopt;
      }
      co_await WaitForChange(seen);
    }
    changed_.Notify();
    co_return item;
  }

  // Nothing more will be sent. Idempotent: the first call counts.
  void Close(std::exception_ptr error = nullptr) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = true;
      error_ = std::move(error);
    }
    changed_.Notify();
  }

  std::size_t capacity() const { return capacity_; }

 private:
  Task<> WaitForChange(std::uint64_t seen) {
    if (co_await changed_.Wait(executor_, seen, {.stop = stop_}) == Wake::kStopped) {
      throw Cancelled();
    }
  }

  Executor& executor_;
  const std::size_t capacity_;
  const std::stop_token stop_;

  std::mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);
  Signal changed_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_CHANNEL_H_
