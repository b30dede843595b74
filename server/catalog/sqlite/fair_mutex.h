#ifndef SLUICE_SERVER_CATALOG_SQLITE_FAIR_MUTEX_H_
#define SLUICE_SERVER_CATALOG_SQLITE_FAIR_MUTEX_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace sluice {

// A mutex that is had in the order in which it was asked for. std::mutex may be taken again and
// again by the thread that has just released it, past all who wait: a loop that purges in slices
// would then be no better for them than one long purge.
class ABSL_LOCKABLE FairMutex final {
 public:
  FairMutex() = default;
  FairMutex(const FairMutex&) = delete;
  FairMutex& operator=(const FairMutex&) = delete;

  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    std::unique_lock lock(mutex_);
    const std::uint64_t turn = next_turn_++;
    turn_began_.wait(lock, [&] { return turn == turn_; });
  }
  void unlock() ABSL_UNLOCK_FUNCTION() {
    {
      std::lock_guard lock(mutex_);
      ++turn_;
    }
    turn_began_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable turn_began_;
  std::uint64_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_turn_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_FAIR_MUTEX_H_
