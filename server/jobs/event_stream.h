#ifndef SLUICE_SERVER_JOBS_EVENT_STREAM_H_
#define SLUICE_SERVER_JOBS_EVENT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "server/jobs/errors.h"
#include "server/jobs/job.h"
#include "sluice/v1/event.pb.h"

namespace sluice {

// v1::StreamOptions with the defaults filled in.
struct EventStreamOptions {
  static constexpr std::size_t kDefaultBatchEvents = 256;
  static constexpr std::size_t kMaxBatchEvents = 4096;
  // A message is cut after the event that takes it beyond this.
  static constexpr std::size_t kBatchBytes = 64 * 1024;

  std::size_t max_batch_events = kDefaultBatchEvents;
  Clock::Duration max_batch_delay = std::chrono::milliseconds(50);
  // While nothing changes; unset by the client.
  Clock::Duration idle_heartbeat = std::chrono::seconds(15);
  Clock::Duration heartbeat = std::chrono::seconds(1);
};

// Adds violations for values out of range.
EventStreamOptions StreamOptionsFromProto(const v1::StreamOptions& proto,
                                          FieldViolations& violations);

// A job as a stream of messages, from the event `first_sequence` on
// ==================================================================
//
// The first message names the job and comes at once; later ones show it again when its state has
// changed. Then events, as many as are ready: a message
// that is not full waits for others at most until max_batch_delay after the one before it. Without
// events, heartbeats. The last message carries `end`.
//
// Asking for the next message says that the last one has passed the client's flow control: that is
// what moves the job's window.
//
// A message comes as the bytes of a v1::EventBatch, written straight from the log: see wire.h.
//
// Bound: one message. Errors: what the catalog says; ExpiredError when the job ends before
// `first_sequence`, or its events are not kept any more; NOT_FOUND when it is deleted;
// DrainingError after the message with REASON_DRAINING. Cancellation: `stop` (the call's).
struct EventStreamDeps {
  Executor& executor;
  Clock& clock;
  std::stop_token stop;      // The call has gone away.
  std::stop_token draining;  // The server is being shut down.
};
AsyncGenerator<std::string> EventStream(std::shared_ptr<Job> job, std::uint64_t first_sequence,
                                        EventStreamOptions options, EventStreamDeps deps);

// Waits until the job has ended, `deadline` has come, or the server drains. Throws Cancelled when
// the call goes away.
Task<> WaitForEnd(std::shared_ptr<Job> job, Clock::TimePoint deadline, EventStreamDeps deps);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_EVENT_STREAM_H_
