#include "pipeline/async/signal.h"

#include <cassert>

namespace sluice {

Signal::~Signal() { assert(first_ == nullptr && "Signal destroyed with waiters"); }

// Posts after it has left the mutex, or who wakes would wait for it at once. Until it is posted, a
// waiter that was claimed here stays where it is, so that its link can hold the list.
void Signal::Notify() {
  Waiter* claimed = nullptr;
  {
    std::lock_guard lock(mutex_);
    count_.fetch_add(1, std::memory_order_release);
    while (first_ != nullptr) {
      Waiter& waiter = *first_;
      Unlink(waiter);
      if (waiter.Claim(Wake::kNotified)) waiter.next_ = std::exchange(claimed, &waiter);
    }
  }
  while (claimed != nullptr) std::exchange(claimed, claimed->next_)->Post();
}

void Signal::Unlink(Waiter& waiter) {
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
  if (waiter.next_ != nullptr) waiter.next_->previous_ = waiter.previous_;
  waiter.previous_ = waiter.next_ = nullptr;
  waiter.linked_ = false;
}

bool Signal::Waiter::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  armed_ = true;
  {
    std::lock_guard lock(signal_.mutex_);
    if (signal_.count() != seen_) return false;
    next_ = signal_.first_;
    if (next_ != nullptr) next_->previous_ = this;
    signal_.first_ = this;
    linked_ = true;
  }
  if (limits_.clock != nullptr) {
    alarm_armed_ = true;
    limits_.clock->Arm(*this, limits_.deadline);
  }
  if (limits_.stop.stop_possible()) on_stop_.emplace(limits_.stop, OnStop{this});
  State arming = State::kArming;
  // Release: whoever resumes the coroutine sees all of the above. Not suspended if woken already.
  return state_.compare_exchange_strong(arming, State::kSuspended, std::memory_order_acq_rel);
}

bool Signal::Waiter::Claim(Wake reason) {
  if (claimed_.exchange(true, std::memory_order_acq_rel)) return false;
  reason_ = reason;
  return true;
}

void Signal::Waiter::Post() {
  // Copied first: after the exchange the coroutine may run, and end this object.
  Executor& executor = executor_;
  const std::coroutine_handle<> coroutine = coroutine_;
  if (state_.exchange(State::kWoken, std::memory_order_acq_rel) == State::kSuspended) {
    executor.Post(coroutine);
  }
}

Wake Signal::Waiter::await_resume() {
  if (!armed_) return Wake::kNotified;
  // Each of these waits for a call that is running in another thread.
  on_stop_.reset();
  if (alarm_armed_) limits_.clock->Disarm(*this);
  std::lock_guard lock(signal_.mutex_);
  if (linked_) signal_.Unlink(*this);
  return reason_;
}

}  // namespace sluice
