#ifndef SLUICE_PIPELINE_ASYNC_INLINE_EXECUTOR_H_
#define SLUICE_PIPELINE_ASYNC_INLINE_EXECUTOR_H_

#include <condition_variable>
#include <coroutine>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"

namespace sluice {

// An executor that is the thread which waits: for tests, examples and small programs, where a whole
// pipeline, its concurrent stages included, runs on one thread.
//
//   InlineExecutor executor;
//   std::vector<int> squares = executor.Run(Numbers() | Transform(Square) | Collect());
//
// `Run` blocks while nothing is ready, so another thread (a clock's, say) may post.
// Thread-safe, but for one Run at a time. Lifetime: nothing is queued when it is destroyed.
class InlineExecutor final : public Executor {
 public:
  ~InlineExecutor() override;

  // Runs the task, and all that is posted meanwhile, on the calling thread until the task has
  // ended. Throws what the task throws.
  template <typename T>
  T Run(Task<T> task) {
    Turn turn(*this);
    return internal::WaitFor(std::move(task), turn);
  }

  void Post(std::coroutine_handle<> coroutine) override;
  void Hurry(std::coroutine_handle<> coroutine) override;
  bool HasBacklog() const override;

 private:
  // One Run's end, and the running until then.
  class Turn final {
   public:
    explicit Turn(InlineExecutor& executor) : executor_(executor) {}
    void Set();
    void Wait();

   private:
    InlineExecutor& executor_;
    bool set_ = false;  // Guarded by the executor's mutex.
  };

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ReadyQueue queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_INLINE_EXECUTOR_H_
