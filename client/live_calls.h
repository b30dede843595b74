#ifndef SLUICE_CLIENT_LIVE_CALLS_H_
#define SLUICE_CLIENT_LIVE_CALLS_H_

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace sluice::internal {

// The calls of a client that gRPC has not let go of.
//
// gRPC ends a call on a thread of its own. If the last reference to a channel goes with it there,
// gRPC 1.51 shuts that very thread's queue down from within and aborts later, somewhere else
// (https://github.com/grpc/grpc/pull/32584). So a client waits for its calls, and lets go of the
// channel last.
// Thread-safe.
class LiveCalls final {
 public:
  // A call has one as its first member, so that all else of it is gone before.
  class Token final {
   public:
    explicit Token(LiveCalls& calls) : calls_(&calls) {
      std::lock_guard lock(calls.mutex_);
      ++calls.count_;
    }
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;
    ~Token() {
      // Notified under the lock: whoever waits may destroy the counter then.
      std::lock_guard lock(calls_->mutex_);
      if (--calls_->count_ == 0) calls_->none_.notify_all();
    }

   private:
    LiveCalls* calls_;
  };

  LiveCalls() = default;
  LiveCalls(const LiveCalls&) = delete;
  LiveCalls& operator=(const LiveCalls&) = delete;

  void WaitForNone() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice::internal

#endif  // SLUICE_CLIENT_LIVE_CALLS_H_
