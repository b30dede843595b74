#ifndef SLUICE_PIPELINE_OPS_TEE_H_
#define SLUICE_PIPELINE_OPS_TEE_H_

#include <algorithm>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

// What a branch does next.
enum class TeeTurn : std::uint8_t {
  kCopy,  // Takes a copy of its next item: others need it too.
  kMove,  // Takes its next item: it is the last that needs it.
  kPull,  // Pulls the source, for all: nobody else does until Put or End is called.
  kWait,  // For the branch that pulls, or for the slowest to make room.
  kEnd,
};

// What the branches of a Tee share: the source, and the items that some of them have yet to take.
//
// Items are numbered in the order of the source. Invariants:
//   1. oldest_ <= next_ of every living branch <= pulled_, and oldest_ is one of these.
//   2. pulled_ - oldest_ <= the number of slots; item n lives in slot n % slots.
//   3. The slot of an item that some branch needs is written by nobody but the last one that needs
//      it. So items are copied, moved and destroyed without the mutex.
//   4. The source is used only by the branch that was told kPull.
template <typename T>
class TeeHub final {
 public:
  TeeHub(AsyncGenerator<T> source, std::size_t branches, std::size_t bound)
      : source_(std::move(source)), slots_(bound), next_(branches, 0) {}
  TeeHub(const TeeHub&) = delete;
  TeeHub& operator=(const TeeHub&) = delete;

  AsyncGenerator<T>& source() { return source_; }
  // Notified of whatever may end a wait, once somebody was told kWait.
  Signal& changed() { return changed_; }

  TeeTurn TurnOf(std::size_t branch) {
    std::lock_guard lock(mutex_);
    if (next_[branch] < pulled_) return IsLastToNeed(branch) ? TeeTurn::kMove : TeeTurn::kCopy;
    if (ended_) return TeeTurn::kEnd;
    if (pulling_ || pulled_ - oldest_ == slots_.size()) {
      waiting_ = true;
      return TeeTurn::kWait;
    }
    pulling_ = true;
    return TeeTurn::kPull;
  }

  // Ends a pull. When moving the item throws, the pull has not ended: see End.
  void Put(T item) {
    std::lock_guard lock(mutex_);
    SlotOf(pulled_).emplace(std::move(item));
    ++pulled_;
    pulling_ = false;
    WakeWaiting();
  }

  // Ends a pull, and the sequence.
  void End(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    ended_ = true;
    error_ = std::move(error);
    pulling_ = false;
    WakeWaiting();
  }

  // The branch's next item. REQUIRES: it was told to take it so.
  T Take(std::size_t branch, TeeTurn how) {
    // Read without the mutex: only the branch itself writes it.
    std::optional<T>& slot = SlotOf(next_[branch]);
    T item = how == TeeTurn::kMove ? T(std::move(*slot)) : T(std::as_const(*slot));
    MoveOn(branch);  // What this branch was the last to need is destroyed here.
    return item;
  }

  // REQUIRES: a branch was told kEnd.
  std::exception_ptr error() const {
    std::lock_guard lock(mutex_);
    return error_;
  }

  // The branch takes nothing more. What it alone still needed is freed.
  void Leave(std::size_t branch) {
    {
      std::lock_guard lock(mutex_);
      next_[branch] = kGone;
    }
    while (FreeOldest()) continue;
  }

 private:
  static constexpr std::uint64_t kGone = std::numeric_limits<std::uint64_t>::max();

  std::optional<T>& SlotOf(std::uint64_t item) { return slots_[item % slots_.size()]; }

  bool IsLastToNeed(std::size_t branch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::count_if(next_.begin(), next_.end(),
                         [mine = next_[branch]](std::uint64_t next) { return next <= mine; }) == 1;
  }

  std::optional<T> MoveOn(std::size_t branch) {
    std::lock_guard lock(mutex_);
    ++next_[branch];
    return TakeUnneeded();
  }

  bool FreeOldest() {
    std::optional<T> spent;  // Destroyed after the lock is left.
    std::lock_guard lock(mutex_);
    spent = TakeUnneeded();
    return spent.has_value();
  }

  // The oldest item, if no branch needs it any more. Makes room.
  std::optional<T> TakeUnneeded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::uint64_t needed = *std::min_element(next_.begin(), next_.end());
    if (oldest_ == std::min(needed, pulled_)) return std::nullopt;
    std::optional<T> spent = std::exchange(SlotOf(oldest_), std::nullopt);
    ++oldest_;
    WakeWaiting();
    return spent;
  }

  // Costs nothing while nobody waits. A waiter looked at the signal before it was told kWait, so
  // that it cannot miss this.
  void WakeWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(waiting_, false)) changed_.Notify();
  }

  AsyncGenerator<T> source_;
  std::vector<std::optional<T>> slots_;
  Signal changed_;

  mutable std::mutex mutex_;
  std::vector<std::uint64_t> next_;  // Of each branch, or kGone. Written under the mutex.
  std::uint64_t oldest_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t pulled_ ABSL_GUARDED_BY(mutex_) = 0;
  bool pulling_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // Somebody was told kWait since the last wake.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);
};

// A branch's place at the hub. It counts until it is destroyed: whoever holds it holds up the rest.
template <typename T>
class TeeSeat final {
 public:
  TeeSeat(std::shared_ptr<TeeHub<T>> hub, std::size_t branch)
      : hub_(std::move(hub)), branch_(branch) {}
  TeeSeat(TeeSeat&&) noexcept = default;
  TeeSeat& operator=(TeeSeat&&) = delete;
  ~TeeSeat() {
    if (hub_) hub_->Leave(branch_);
  }

  TeeHub<T>& hub() const { return *hub_; }
  std::size_t branch() const { return branch_; }

 private:
  std::shared_ptr<TeeHub<T>> hub_;
  std::size_t branch_;
};

// The seat is a parameter, so that a branch that is dropped before it ran leaves too.
template <typename T>
AsyncGenerator<T> TeeBranch(TeeSeat<T> given, Executor& executor, std::stop_token stop) {
  const TeeSeat<T> seat = std::move(given);  // Left at the end, though the generator lives on.
  TeeHub<T>& hub = seat.hub();
  while (true) {
    const std::uint64_t seen = hub.changed().count();
    const TeeTurn turn = hub.TurnOf(seat.branch());
    if (turn == TeeTurn::kEnd) break;
    if (turn == TeeTurn::kWait) {
      const Wake wake = co_await hub.changed().Wait(executor, seen, {.stop = stop});
      if (wake == Wake::kStopped) throw Cancelled();
    } else if (turn == TeeTurn::kPull) {
      try {
        // Put before this branch takes its own: whatever becomes of it, the others have the item.
        if (std::optional<T> item = co_await hub.source().Next()) {
          hub.Put(*std::move(item));
        } else {
          hub.End(nullptr);
        }
      } catch (...) {
        hub.End(std::current_exception());
      }
    } else {
      co_yield hub.Take(seat.branch(), turn);
    }
  }
  if (const std::exception_ptr error = hub.error()) std::rethrow_exception(error);
}

}  // namespace internal

// Gives every item to each of several branches, which are pulled independently: a std::vector of
// `branches` generators.
//
//   auto files = Walk(...) | Tee(scope, 2, /*bound=*/256);
//   scope.Spawn(std::move(files[0]) | ForEach(Index));
//   scope.Spawn(std::move(files[1]) | ForEach(Count));
//
// There is no child that pulls: the branch that first needs an item pulls it for all. A branch
// that is `bound` items ahead of the slowest one waits for it.
//
// Beware: a coroutine that reads one branch to its end before it begins with the next waits for
// itself as soon as the sequence is longer than `bound`. Branches need consumers of their own; one
// that will not be read must be dropped.
//
// Lazy: nothing is pulled before the first Next of any branch.
// Bound: pulled - handed over to the slowest branch that is alive <= bound. The places for these
// are allocated once. Every branch gets a copy, the last one that needs an item the item itself.
// Order: the source's, in each branch. Nothing is lost or doubled.
// Errors: what the source throws is thrown by each branch, after the items before it. What copying
// an item throws ends only the branch that wanted the copy.
// Cancellation: a stop of the scope wakes every branch that waits for another, which throws
// Cancelled; the one that waits for the source is woken by the source.
// Dropping: a branch that is dropped, or ended early, no longer holds up the others. The source is
// dropped with the last branch.
// Thread-safe between branches: each may be pulled on another thread. A branch that waited goes on
// on the scope's executor.
// Lifetime: the scope outlives the branches. REQUIRES: branches >= 1, bound >= 1; T is copyable.
inline auto Tee(JobScope& scope, std::size_t branches, std::size_t bound) {
  assert(branches >= 1 && bound >= 1);
  return [&scope, branches, bound]<std::copy_constructible T>(AsyncGenerator<T> source) {
    auto hub = std::make_shared<internal::TeeHub<T>>(std::move(source), branches, bound);
    std::vector<AsyncGenerator<T>> result;
    result.reserve(branches);
    for (std::size_t branch = 0; branch < branches; ++branch) {
      result.push_back(internal::TeeBranch<T>(internal::TeeSeat<T>(hub, branch), scope.executor(),
                                              scope.stop_token()));
    }
    return result;
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_TEE_H_
