#ifndef SLUICE_PIPELINE_OPS_IN_FLIGHT_H_
#define SLUICE_PIPELINE_OPS_IN_FLIGHT_H_

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/wait_list.h"

namespace sluice {

enum class Order : std::uint8_t {
  kSource,      // The source's.
  kCompletion,  // Whichever is ready first.
};

namespace internal {

// What TransformConcurrently's consumer and its workers share: a ring of slots, each with an item
// on the way in and a result on the way out.
//
// Numbers count from the first item; slot n % slots is number n's.
// 1. taken_ <= completed_ <= claimed_ <= added_ <= taken_ + slots.
// 2. A claim moves the item out of its slot. From then on the slot is free for a result: for that
//    of the same item where the source's order is kept, otherwise for the next result there is,
//    whose number is below claimed_ by (1).
// 3. The slots below ready_ hold results. Only the consumer touches them, without the mutex.
// 4. At most one worker is called at a time, and is then on its way to a thread; when it gets
//    there, and finds more than it takes, it calls the next. So there are never more workers awake
//    than get threads, whatever the limit, and the consumer pays for one call and not for many.
template <typename T, typename R>
class InFlight final {
 public:
  // A worker's item, and then what became of it. Lives in the worker's frame.
  struct Worker {
    std::coroutine_handle<> coroutine;
    Worker* next = nullptr;
    bool called = true;  // It was spawned, or posted, by a call.
    std::uint64_t number = 0;
    std::optional<T> item;
    bool has_result = false;
    std::optional<R> value;
    std::exception_ptr error;
  };
  enum class Claim : std::uint8_t { kItem, kItemAndSpawn, kNothing, kStopped };

  // REQUIRES: 1 <= limit, the most workers there are, <= slots.
  InFlight(Executor& executor, std::size_t limit, std::size_t slots, Order order)
      : executor_(executor),
        limit_(limit),
        slot_count_(slots),
        order_(order),
        slots_(std::make_unique<Slot[]>(slots)) {}
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  // ---- The consumer's.
  bool empty() const { return taken_ == added_; }
  bool full() const { return added_ - taken_ == slot_count_; }
  bool ready() const { return taken_ < ready_; }

  // Whether the caller is to spawn a worker. REQUIRES: !full().
  [[nodiscard]] bool Add(T item);

  // Awaited, waits until ready(). Throws Cancelled when stopped.
  [[nodiscard]] auto WaitUntilReady() { return ConsumerWait{*this}; }

  // The next result; throws the error that stands in its place. REQUIRES: ready().
  R Take();

  // Ends every wait, and tells `fn` and the workers. Idempotent; from any thread.
  void Stop();

  // ---- The workers'.
  std::size_t limit() const { return limit_; }
  std::stop_token stop_token() const { return stop_source_.get_token(); }

  // Hands in what became of the last item, if there was one, and takes the next. One entry to the
  // mutex for both.
  Claim Exchange(Worker& worker);

  // Awaited, goes on when called, or at once if there is something to claim.
  [[nodiscard]] auto WaitForCall(Worker& worker) { return WorkerWait{*this, worker}; }

 private:
  struct Slot {
    std::optional<T> item;
    std::optional<R> value;
    std::exception_ptr error;
    bool done = false;
  };
  struct ConsumerWait {
    InFlight& shared;
    bool await_ready() const noexcept { return shared.ready(); }
    bool await_suspend(std::coroutine_handle<> coroutine) { return shared.SetConsumer(coroutine); }
    void await_resume() { shared.EndConsumerWait(); }
  };
  struct WorkerWait {
    InFlight& shared;
    Worker& worker;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) {
      worker.coroutine = coroutine;
      return shared.SetIdle(worker);
    }
    void await_resume() const noexcept {}
  };
  // Whom to wake after the mutex was left.
  struct Wakes {
    std::coroutine_handle<> worker;
    std::coroutine_handle<> consumer;
    bool spawn = false;
  };

  Slot& SlotOf(std::uint64_t number) const { return slots_[number % slot_count_]; }
  bool SetConsumer(std::coroutine_handle<> coroutine);
  void EndConsumerWait();
  bool SetIdle(Worker& worker);
  void HandIn(Worker& worker, Wakes& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CallWorker(Wakes& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After a stop, `fn` may give less than it would have: such a result is not handed on.
  void FindReady() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!stopped_ && ready_ < added_ && SlotOf(ready_).done) ++ready_;
  }
  void Post(const Wakes& wakes) {
    if (wakes.consumer) executor_.Post(wakes.consumer);
    if (wakes.worker) executor_.Post(wakes.worker);
  }

  Executor& executor_;
  const std::size_t limit_;
  const std::size_t slot_count_;
  const Order order_;
  std::stop_source stop_source_;

  // Written by the consumer only; `added_` and `ready_` under the mutex.
  std::uint64_t taken_ = 0;
  std::uint64_t ready_ = 0;
  std::uint64_t added_ = 0;

  std::mutex mutex_;
  const std::unique_ptr<Slot[]> slots_;
  std::uint64_t claimed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t completed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t workers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool calling_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  WaitList<Worker> idle_ ABSL_GUARDED_BY(mutex_);
  std::coroutine_handle<> consumer_ ABSL_GUARDED_BY(mutex_);  // While it waits for ready_.
};

template <typename T, typename R>
bool InFlight<T, R>::Add(T item) {
  assert(!full());
  Wakes wakes;
  {
    std::lock_guard lock(mutex_);
    SlotOf(added_).item.emplace(std::move(item));
    ++added_;
    FindReady();
    CallWorker(wakes);
  }
  Post(wakes);
  return wakes.spawn;
}

template <typename T, typename R>
R InFlight<T, R>::Take() {
  assert(ready());
  Slot& slot = SlotOf(taken_);
  if (slot.error) std::rethrow_exception(slot.error);
  R value = *std::move(slot.value);
  slot.value.reset();
  slot.done = false;
  ++taken_;
  return value;
}

template <typename T, typename R>
bool InFlight<T, R>::SetConsumer(std::coroutine_handle<> coroutine) {
  std::lock_guard lock(mutex_);
  FindReady();
  if (ready() || stopped_) return false;
  consumer_ = coroutine;
  return true;
}

template <typename T, typename R>
void InFlight<T, R>::EndConsumerWait() {
  if (ready()) return;
  std::lock_guard lock(mutex_);
  FindReady();
  if (!ready()) throw Cancelled();
}

template <typename T, typename R>
void InFlight<T, R>::Stop() {
  std::unique_lock lock(mutex_);
  if (std::exchange(stopped_, true)) return;
  WaitList<Worker> idle(std::move(idle_));
  const std::coroutine_handle<> consumer = std::exchange(consumer_, nullptr);
  lock.unlock();
  stop_source_.request_stop();
  if (consumer) executor_.Post(consumer);
  idle.PostAll(executor_);
}

template <typename T, typename R>
typename InFlight<T, R>::Claim InFlight<T, R>::Exchange(Worker& worker) {
  Wakes wakes;
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(worker.called, false)) calling_ = false;
    if (std::exchange(worker.has_result, false)) HandIn(worker, wakes);
    if (stopped_) return Claim::kStopped;
    if (claimed_ < added_) {
      worker.number = claimed_++;
      worker.item.swap(SlotOf(worker.number).item);
      CallWorker(wakes);
    }
  }
  Post(wakes);
  if (!worker.item) return Claim::kNothing;
  return wakes.spawn ? Claim::kItemAndSpawn : Claim::kItem;
}

template <typename T, typename R>
void InFlight<T, R>::HandIn(Worker& worker, Wakes& wakes) {
  const std::uint64_t number = order_ == Order::kSource ? worker.number : completed_;
  ++completed_;
  Slot& slot = SlotOf(number);
  slot.value.swap(worker.value);
  slot.error.swap(worker.error);
  slot.done = true;
  if (consumer_ && SlotOf(taken_).done) wakes.consumer = std::exchange(consumer_, nullptr);
}

template <typename T, typename R>
bool InFlight<T, R>::SetIdle(Worker& worker) {
  std::lock_guard lock(mutex_);
  if (claimed_ < added_ || stopped_) return false;
  idle_.PushBack(worker);
  return true;
}

template <typename T, typename R>
void InFlight<T, R>::CallWorker(Wakes& wakes) {
  if (calling_ || stopped_ || claimed_ == added_) return;
  if (Worker* worker = idle_.PopFront()) {
    worker->called = true;
    wakes.worker = worker->coroutine;
  } else if (workers_ < limit_) {
    ++workers_;
    wakes.spawn = true;
  }
  calling_ = wakes.worker || wakes.spawn;
}

}  // namespace internal
}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_IN_FLIGHT_H_
