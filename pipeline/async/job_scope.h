#ifndef SLUICE_PIPELINE_ASYNC_JOB_SCOPE_H_
#define SLUICE_PIPELINE_ASYNC_JOB_SCOPE_H_

#include <cstddef>
#include <exception>
#include <mutex>
#include <stop_token>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/task.h"

namespace sluice {

// The owner of coroutines that run beside their parent
// ====================================================
//
// Whatever a job starts, it starts here; nothing outlives `Join`, so what children refer to only
// has to outlive the scope.
//
//   JobScope scope(executor, stop);
//   scope.Spawn(Watch(scope.stop_token()));
//   ...
//   scope.RequestStop();
//   co_await scope.Join();
//
// The first child that fails stops the others, and `Join` throws what it threw. A child that ends
// with `Cancelled` after a stop was requested has not failed.
//
// Thread-safe. Lifetime: joined before it is destroyed, which is asserted.
// Cancellation: a stop of `parent` stops the scope; stopping the scope does not stop the parent.
class JobScope final {
 public:
  explicit JobScope(Executor& executor, std::stop_token parent = {});
  JobScope(const JobScope&) = delete;
  JobScope& operator=(const JobScope&) = delete;
  ~JobScope();

  Executor& executor() const { return executor_; }
  std::stop_token stop_token() const { return stop_source_.get_token(); }
  void RequestStop() { stop_source_.request_stop(); }

  // Starts the task on the executor. REQUIRES: no Join has ended.
  void Spawn(Task<> task);

  // Waits until every child has ended, then throws what the first failed child threw, once.
  Task<> Join();

  // Children that have not ended.
  std::size_t live() const;

 private:
  struct Child;
  static Child Run(JobScope& scope, Task<> task);
  void OnChildEnded(std::exception_ptr error);

  Executor& executor_;
  std::stop_source stop_source_;
  struct StopSource {
    std::stop_source source;
    void operator()() { source.request_stop(); }
  };
  std::stop_callback<StopSource> on_parent_stop_;

  mutable std::mutex mutex_;
  std::size_t live_ ABSL_GUARDED_BY(mutex_) = 0;
  std::exception_ptr first_error_ ABSL_GUARDED_BY(mutex_);
  Signal ended_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_JOB_SCOPE_H_
