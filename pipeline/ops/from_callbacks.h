#ifndef SLUICE_PIPELINE_OPS_FROM_CALLBACKS_H_
#define SLUICE_PIPELINE_OPS_FROM_CALLBACKS_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/channel.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/abandon_channel_on_exit.h"

namespace sluice {

// kGone: nobody takes items any more: the generator was dropped or its scope stopped, or the
// sequence closed.
enum class EmitResult : std::uint8_t { kTaken, kFull, kGone };

namespace internal {

template <typename T>
Task<> SendTo(std::shared_ptr<Channel<T>> channel, T item) {
  co_await channel->Send(std::move(item));
}

inline std::exception_ptr ErrorOf(const absl::Status& status) {
  if (status.ok()) return nullptr;
  if (absl::IsCancelled(status)) return std::make_exception_ptr(Cancelled());
  return std::make_exception_ptr(StatusError(status));
}

// What all copies of an Emitter share. It knows when the last of them is gone.
template <typename T>
class EmitterEnd final {
 public:
  explicit EmitterEnd(std::shared_ptr<Channel<T>> channel) : channel_(std::move(channel)) {}
  EmitterEnd(const EmitterEnd&) = delete;
  EmitterEnd& operator=(const EmitterEnd&) = delete;
  ~EmitterEnd() {
    // Without effect after a Close. A sequence that nobody can end must not wait for ever.
    channel_->Close(ErrorOf(absl::InternalError("the last Emitter was dropped without Close")));
  }

  const std::shared_ptr<Channel<T>>& channel() const { return channel_; }

 private:
  std::shared_ptr<Channel<T>> channel_;
};

}  // namespace internal

// Where callbacks put their items: the other end of FromCallbacks.
//
// Copyable; the copies are one. Thread-safe. Lifetime: may outlive the generator and its scope.
template <typename T>
class Emitter final {
 public:
  explicit Emitter(std::shared_ptr<Channel<T>> channel)
      : end_(std::make_shared<internal::EmitterEnd<T>>(std::move(channel))) {}

  // Never blocks. `item` is moved from only if it is taken.
  [[nodiscard]] EmitResult TryEmit(T& item) const {
    switch (end_->channel()->TrySend(item)) {
      case SendResult::kTaken:
        return EmitResult::kTaken;
      case SendResult::kFull:
        return EmitResult::kFull;
      case SendResult::kClosed:
        return EmitResult::kGone;
    }
    assert(false && "a SendResult that does not exist");
    return EmitResult::kGone;
  }

  // Blocks the calling thread while there is no room: for an API whose callback holds it up by not
  // returning. kTaken or kGone. REQUIRES: not called on a thread of the scope's executor.
  [[nodiscard]] EmitResult Emit(T item) const {
    const EmitResult at_once = TryEmit(item);
    if (at_once != EmitResult::kFull) return at_once;
    try {
      SyncWait(internal::SendTo<T>(end_->channel(), std::move(item)));
    } catch (const Cancelled&) {
      return EmitResult::kGone;
    }
    return EmitResult::kTaken;
  }

  // Ends the sequence, behind what was taken; with an error unless `status` is OK. The first call
  // counts.
  void Close(const absl::Status& status = absl::OkStatus()) const {
    end_->channel()->Close(internal::ErrorOf(status));
  }

 private:
  std::shared_ptr<internal::EmitterEnd<T>> end_;
};

namespace internal {

template <typename T, typename Start>
AsyncGenerator<T> FromCallbacksImpl(JobScope& scope, std::size_t capacity, Start start) {
  const auto channel = std::make_shared<Channel<T>>(scope.executor(), capacity);
  const AbandonChannelOnExit<T> abandon(*channel);
  // Rather than the channel's own stop: an emitter, too, is to learn of it at once.
  const std::stop_callback on_stop(scope.stop_token(), [&channel] { channel->Abandon(); });
  std::invoke(std::move(start), Emitter<T>(channel));
  while (auto item = co_await channel->Receive()) co_yield *std::move(item);
}

}  // namespace internal

// A source made of an API that calls back, on threads of its own.
//
//   auto changes = FromCallbacks<Change>(scope, 1024, [&](Emitter<Change> emitter) {
//     watcher.OnChange([emitter](Change change) { (void)emitter.Emit(std::move(change)); });
//     watcher.OnError([emitter](absl::Status status) { emitter.Close(status); });
//   });
//
// `start(Emitter<T>)` is called by the first Next; it hands copies of the emitter to whoever calls
// back, and returns. When it is kFull the callback decides: it blocks (Emit), drops the item, or
// holds back its API and tries again.
//
// Bound: taken - handed over <= capacity. The places are allocated once.
// Order: that in which items were taken. An item that is there is handed over without a hop; when
// the consumer waits, it goes on on the scope's executor.
// Errors: what Close was given, after the items before it; INTERNAL when the last emitter is
// dropped without Close; what `start` throws.
// Cancellation: a stop of the scope wakes the consumer, which throws Cancelled.
// Dropping, and a stop: what was taken is freed; emitters are told kGone, those that block too.
// That is how the API learns of it: nothing calls it.
// Lifetime: the scope outlives the generator. REQUIRES: capacity >= 1.
template <typename T, typename Start>
AsyncGenerator<T> FromCallbacks(JobScope& scope, std::size_t capacity, Start start) {
  assert(capacity >= 1);
  return internal::FromCallbacksImpl<T, Start>(scope, capacity, std::move(start));
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_FROM_CALLBACKS_H_
