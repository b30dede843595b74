#ifndef SLUICE_SERVER_RPC_CALL_RUNTIME_H_
#define SLUICE_SERVER_RPC_CALL_RUNTIME_H_

#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"

namespace sluice {

// Where calls run. gRPC has few threads and a blocked one freezes every stream, so a reaction only
// starts or resumes a coroutine here.
// Thread-safe. REQUIRES: Join has ended before it is destroyed.
class CallRuntime final {
 public:
  // A stream's right to exist; gives it back at its end.
  class StreamSlot final {
   public:
    explicit StreamSlot(std::atomic<std::size_t>& active) : active_(&active) {}
    StreamSlot(StreamSlot&& other) noexcept : active_(std::exchange(other.active_, nullptr)) {}
    StreamSlot& operator=(StreamSlot&&) = delete;
    ~StreamSlot() {
      if (active_ != nullptr) active_->fetch_sub(1);
    }

   private:
    std::atomic<std::size_t>* active_;
  };

  CallRuntime(Executor& executor, Clock& clock, std::size_t max_streams)
      : executor_(executor), clock_(clock), max_streams_(max_streams), scope_(executor) {}

  Executor& executor() const { return executor_; }
  Clock& clock() const { return clock_; }
  std::size_t max_streams() const { return max_streams_; }

  // RESOURCE_EXHAUSTED when max_streams are active.
  absl::StatusOr<StreamSlot> AcquireStream();

  // Runs a call to its end. The call finishes its reactor as its last act.
  void Spawn(Task<> call) { scope_.Spawn(std::move(call)); }
  // Waits for every call. REQUIRES: the server accepts none any more.
  Task<> Join() { return scope_.Join(); }

 private:
  Executor& executor_;
  Clock& clock_;
  const std::size_t max_streams_;
  std::atomic<std::size_t> active_streams_ = 0;
  JobScope scope_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_CALL_RUNTIME_H_
