#ifndef SLUICE_PIPELINE_ASYNC_CHANNEL_H_
#define SLUICE_PIPELINE_ASYNC_CHANNEL_H_

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/ring.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/wait_list.h"

namespace sluice {

enum class SendResult : std::uint8_t { kTaken, kFull, kClosed };

// A bounded queue between coroutines of the same job
// ==================================================
//
// `Send` waits while `capacity` items are queued: that wait is the backpressure. With a capacity of
// zero it waits until a receiver has the item.
//
//   Channel<Chunk> chunks(scope.executor(), 4, scope.stop_token());
//   scope.Spawn(Produce(chunks));                    // co_await chunks.Send(...); chunks.Close();
//   while (auto chunk = co_await chunks.Receive()) Use(*chunk);
//
// An item is queued until a Receive returns it, also while the receiver it will go to is on its way
// to a thread: what was sent and not received is never more than `capacity`, and one a waiting
// sender. No call allocates: the queue's memory is allocated with the channel, and a coroutine that
// waits is linked through its own frame. A call that need not wait goes on on its thread; one that
// waited, on the executor. Whoever wakes another never runs it.
//
// Order: first in, first out. Thread-safe, any number of senders and receivers.
// Lifetime: outlives both sides.
// Ends: `Close` is the senders' (items that were sent still arrive, then the end or the error),
// `Abandon` the receivers' (senders throw Cancelled, items are freed).
// Cancellation: `stop` wakes every waiter, which throws Cancelled; a call that need not wait is not
// affected.
template <typename T>
class Channel final {
 public:
  Channel(Executor& executor, std::size_t capacity, std::stop_token stop = {})
      : executor_(executor), queue_(capacity), on_stop_(std::move(stop), OnStop{*this}) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Awaited, waits for room. Throws Cancelled when the channel is closed, or is abandoned or
  // stopped while this waits.
  [[nodiscard]] auto Send(T item) { return Sender(*this, std::move(item)); }

  // Awaited, waits for an item; nullopt when the channel is closed and all items were received.
  [[nodiscard]] auto Receive() { return Receiver(*this); }

  // Also for threads that run no coroutine. `item` is moved from only if it is taken. A channel of
  // capacity zero takes none in this way: its senders have to wait until the item is received.
  [[nodiscard]] SendResult TrySend(T& item);

  // An item that is there for the taking. nullopt says nothing about the end: `Receive` does.
  [[nodiscard]] std::optional<T> TryReceive();

  // Nothing more will be sent. Sends that are waiting stay so until they are received.
  // Idempotent: the first call counts.
  void Close(std::exception_ptr error = nullptr);

  // Nothing more will be received. Idempotent.
  void Abandon();

 private:
  class Sender;
  class Receiver;

  struct OnStop {
    Channel& channel;
    void operator()() const { channel.Stop(); }
  };

  // Both return whether the coroutine is to stay suspended. Then its awaiter may already be gone.
  bool WaitToSend(Sender& sender);
  bool WaitToReceive(Receiver& receiver);
  void FinishReceive(Receiver& receiver);
  void Stop();

  // Items that no receiver has been woken for.
  bool HasItem() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return queue_.size() + senders_.size() > promised_;
  }
  // The receiver to post, if one waits: an item is kept for it.
  Receiver* PromiseItem() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes the oldest item. The sender to post, if that made room for one.
  Sender* TakeInto(std::optional<T>& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is anything to return or to throw.
  bool TryFinish(Receiver& receiver, Sender*& to_post) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  template <typename Awaiter>
  void Post(Awaiter* awaiter) {
    if (awaiter != nullptr) executor_.Post(awaiter->coroutine);
  }

  Executor& executor_;

  // 1. Senders wait only while the queue is full.
  // 2. Receivers wait only while nothing is queued and no sender waits, but for what was promised.
  // 3. Nobody waits to receive once closed; nobody waits at all once abandoned or stopped.
  std::mutex mutex_;
  internal::Ring<T> queue_ ABSL_GUARDED_BY(mutex_);
  internal::WaitList<Sender> senders_ ABSL_GUARDED_BY(mutex_);
  internal::WaitList<Receiver> receivers_ ABSL_GUARDED_BY(mutex_);
  std::size_t promised_ ABSL_GUARDED_BY(mutex_) = 0;  // To receivers that were woken for an item.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);

  // Last, so that it is destroyed first: that waits for a Stop that is running.
  std::stop_callback<OnStop> on_stop_;
};

template <typename T>
class [[nodiscard]] Channel<T>::Sender final {
 public:
  Sender(Channel& channel, T item) : channel_(channel), item_(std::move(item)) {}
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> suspended) {
    coroutine = suspended;
    return channel_.WaitToSend(*this);
  }
  void await_resume() const {
    if (!sent_) throw Cancelled();
  }

  std::coroutine_handle<> coroutine;
  Sender* next = nullptr;

 private:
  friend class Channel;

  Channel& channel_;
  T item_;
  bool sent_ = false;
};

template <typename T>
class [[nodiscard]] Channel<T>::Receiver final {
 public:
  explicit Receiver(Channel& channel) : channel_(channel) {}
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> suspended) {
    coroutine = suspended;
    return channel_.WaitToReceive(*this);
  }
  std::optional<T> await_resume() {
    if (waited_) channel_.FinishReceive(*this);
    if (error_) std::rethrow_exception(error_);
    return std::move(item_);
  }

  std::coroutine_handle<> coroutine;
  Receiver* next = nullptr;

 private:
  friend class Channel;

  Channel& channel_;
  bool waited_ = false;
  bool promised_ = false;
  std::optional<T> item_;
  std::exception_ptr error_;
};

template <typename T>
bool Channel<T>::WaitToSend(Sender& sender) {
  Receiver* receiver = nullptr;
  bool waits = false;
  {
    std::lock_guard lock(mutex_);
    waits = queue_.full();
    if (closed_ || (waits && stopped_)) return false;
    if (waits) {
      senders_.PushBack(sender);
    } else {
      queue_.PushBack(std::move(sender.item_));
      sender.sent_ = true;
    }
    receiver = PromiseItem();
  }
  // While there is one to post, it is suspended here, so that the channel is alive.
  Post(receiver);
  return waits;
}

template <typename T>
SendResult Channel<T>::TrySend(T& item) {
  Receiver* receiver = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return SendResult::kClosed;
    if (queue_.full()) return SendResult::kFull;
    queue_.PushBack(std::move(item));
    receiver = PromiseItem();
  }
  Post(receiver);
  return SendResult::kTaken;
}

template <typename T>
bool Channel<T>::WaitToReceive(Receiver& receiver) {
  Sender* sender = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!TryFinish(receiver, sender)) {
      receiver.waited_ = true;
      receivers_.PushBack(receiver);
      return true;
    }
  }
  Post(sender);
  return false;
}

// What it was promised is gone only if a stop has taken back the sender that had it.
template <typename T>
void Channel<T>::FinishReceive(Receiver& receiver) {
  Sender* sender = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (receiver.promised_) --promised_;
    [[maybe_unused]] const bool finished = TryFinish(receiver, sender);
    assert(finished && "a receiver was woken for nothing");
  }
  Post(sender);
}

template <typename T>
std::optional<T> Channel<T>::TryReceive() {
  std::optional<T> item;
  Sender* sender = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (HasItem()) sender = TakeInto(item);
  }
  Post(sender);
  return item;
}

template <typename T>
void Channel<T>::Close(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  closed_ = true;
  error_ = std::move(error);
  internal::WaitList<Receiver> receivers(std::move(receivers_));
  Executor& executor = executor_;
  lock.unlock();
  receivers.PostAll(executor);
}

template <typename T>
void Channel<T>::Abandon() {
  internal::Ring<T> dropped(0);  // Freed after the lock.
  std::unique_lock lock(mutex_);
  closed_ = true;
  error_ = std::make_exception_ptr(Cancelled());
  std::swap(dropped, queue_);
  internal::WaitList<Sender> senders(std::move(senders_));
  internal::WaitList<Receiver> receivers(std::move(receivers_));
  Executor& executor = executor_;
  lock.unlock();
  senders.PostAll(executor);
  receivers.PostAll(executor);
}

template <typename T>
void Channel<T>::Stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  internal::WaitList<Sender> senders(std::move(senders_));
  internal::WaitList<Receiver> receivers(std::move(receivers_));
  Executor& executor = executor_;
  lock.unlock();
  senders.PostAll(executor);
  receivers.PostAll(executor);
}

template <typename T>
typename Channel<T>::Receiver* Channel<T>::PromiseItem() {
  Receiver* receiver = receivers_.PopFront();
  if (receiver == nullptr) return nullptr;
  receiver->promised_ = true;
  ++promised_;
  return receiver;
}

template <typename T>
typename Channel<T>::Sender* Channel<T>::TakeInto(std::optional<T>& item) {
  Sender* sender = senders_.PopFront();
  if (queue_.empty()) {
    item.emplace(std::move(sender->item_));
  } else {
    item.emplace(queue_.PopFront());
    if (sender != nullptr) queue_.PushBack(std::move(sender->item_));
  }
  if (sender != nullptr) sender->sent_ = true;
  return sender;
}

template <typename T>
bool Channel<T>::TryFinish(Receiver& receiver, Sender*& to_post) {
  if (HasItem()) {
    to_post = TakeInto(receiver.item_);
    return true;
  }
  if (!closed_ && stopped_) receiver.error_ = std::make_exception_ptr(Cancelled());
  if (closed_) receiver.error_ = error_;
  return closed_ || stopped_;
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_CHANNEL_H_
