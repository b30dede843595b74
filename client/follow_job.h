#ifndef SLUICE_CLIENT_FOLLOW_JOB_H_
#define SLUICE_CLIENT_FOLLOW_JOB_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"

#include "client/call_options.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "sluice/v1/event.pb.h"
#include "sluice/v1/job_service.pb.h"

namespace sluice::internal {

// Where a stream of events is: checks that every batch goes on exactly where the one before ended.
class EventPosition final {
 public:
  // `next` is the first sequence that is to come; 0: whatever the first batch says.
  explicit EventPosition(std::uint64_t next) : next_(next) {}

  // Errors: DATA_LOSS for a batch that repeats or leaves out an event.
  absl::Status Advance(const v1::EventBatch& batch);

  // 0 while it is not known.
  std::uint64_t next() const { return next_; }

 private:
  std::uint64_t next_;
};

// Makes the stream of a WatchJob call.
using OpenWatch = std::function<AsyncGenerator<v1::EventBatch>(v1::WatchJobRequest)>;

// A stream of a job's events that goes on when its connection breaks.
//
// Begins with `source`; whenever that is lost, goes on with what `open` makes of `request`, from
// the event that follows the last one yielded. As long as `request` names no job, it takes the name
// from the first batch, and a failure before that is final.
//
// Lazy. Holds one batch. Errors: what `source` and `open` throw, unless it is UNAVAILABLE and
// options.reconnect_for is not over; DATA_LOSS for a batch that is not the next one. Cancellation:
// options.stop, also while it waits. Lifetime: executor and clock outlive the generator.
AsyncGenerator<v1::EventBatch> FollowJob(AsyncGenerator<v1::EventBatch> source,
                                         v1::WatchJobRequest request, OpenWatch open,
                                         Executor* executor, Clock* clock, CallOptions options);

}  // namespace sluice::internal

#endif  // SLUICE_CLIENT_FOLLOW_JOB_H_
