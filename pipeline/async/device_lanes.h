#ifndef SLUICE_PIPELINE_ASYNC_DEVICE_LANES_H_
#define SLUICE_PIPELINE_ASYNC_DEVICE_LANES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"

namespace sluice {

// A bound on how many threads read one device
// ===========================================
//
// A disk has a best number of readers (one, if it turns), whatever the number of threads. Each
// device has a lane: an executor whose coroutines run on the threads of `base`, but never more
// than `reads_per_device` of one lane at a time. A slow device holds back nobody but itself.
//
//   DeviceLanes lanes(pool, 2);
//   co_await lanes.Of(file.device).Schedule(stop);   // here comes the blocking read
//   co_await pool.Schedule();                        // and the lane is free for the next
//
// A coroutine holds its place in the lane until it suspends (or hops elsewhere). First in, first
// out; between two coroutines a lane lets others who wait for `base` go first.
// Cancellation: whom a stop takes out of a lane's queue leaves the lane: it goes on on `base` at
// once, however long the reads take that it waited for.
// Thread-safe. Memory: a few hundred bytes for each device that was met. Lifetime: `base` outlives
// it; destruction waits for the lanes' last steps. REQUIRES: nothing waits in a lane by then.
class DeviceLanes final {
 public:
  // REQUIRES: reads_per_device >= 1.
  DeviceLanes(Executor& base, std::size_t reads_per_device);
  DeviceLanes(const DeviceLanes&) = delete;
  DeviceLanes& operator=(const DeviceLanes&) = delete;
  ~DeviceLanes();

  // The lane of a device (st_dev); valid as long as this object is.
  Executor& Of(std::uint64_t device);

 private:
  class Lane;

  Executor& base_;
  const std::size_t reads_per_device_;

  std::mutex mutex_;
  std::map<std::uint64_t, std::unique_ptr<Lane>> lanes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_DEVICE_LANES_H_
