#ifndef SLUICE_PIPELINE_ASYNC_WAIT_LIST_H_
#define SLUICE_PIPELINE_ASYNC_WAIT_LIST_H_

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <utility>

#include "pipeline/async/executor.h"

namespace sluice::internal {

// Suspended coroutines, first in first out, linked through their awaiters: no allocation.
//
// `Awaiter` has the members `std::coroutine_handle<> coroutine` and `Awaiter* next`. It lives in
// the frame of its coroutine, so it is gone as soon as that has been posted.
//
// Not thread-safe: guarded by the mutex of its owner. The protocol that makes this enough: an
// awaiter is put in as the last thing that is done to it before the mutex is left, and whoever
// takes it out, under the mutex, is the only one to post it, and does so after leaving the mutex.
template <typename Awaiter>
class WaitList final {
 public:
  WaitList() = default;
  WaitList(WaitList&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)),
        last_(std::exchange(other.last_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  WaitList& operator=(WaitList&&) = delete;
  ~WaitList() { assert(empty() && "destroyed while a coroutine waits"); }

  bool empty() const { return first_ == nullptr; }
  std::size_t size() const { return size_; }

  void PushBack(Awaiter& awaiter) {
    awaiter.next = nullptr;
    (empty() ? first_ : last_->next) = &awaiter;
    last_ = &awaiter;
    ++size_;
  }

  // nullptr when there is none.
  Awaiter* PopFront() {
    if (empty()) return nullptr;
    Awaiter* awaiter = first_;
    first_ = awaiter->next;
    --size_;
    return awaiter;
  }

  // Without the mutex: for a list that was moved out of its owner, which may be gone before this
  // returns.
  void PostAll(Executor& executor) {
    while (Awaiter* awaiter = PopFront()) executor.Post(awaiter->coroutine);
  }

 private:
  Awaiter* first_ = nullptr;
  Awaiter* last_ = nullptr;  // Meaningful unless empty.
  std::size_t size_ = 0;
};

}  // namespace sluice::internal

#endif  // SLUICE_PIPELINE_ASYNC_WAIT_LIST_H_
