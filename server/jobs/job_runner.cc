#include "server/jobs/job_runner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/pipe.h"

namespace sluice {
namespace {

// Events stored together. At most a quarter of the window, so that a batch which is stored, one
// which fills meanwhile and those on their way to the client fit into it together.
std::size_t BatchSize(const Job& job) {
  const std::size_t most = job.kind().events_per_transaction;
  if (job.spec().pacing() == v1::PACING_FREE_RUNNING) return most;
  return std::clamp<std::size_t>(job.spec().window() / 4, 1, most);
}

// Waits until `count` more events keep the job within its window.
Task<> WaitForConsumers(Job& job, std::size_t count, std::size_t batch_size, Executor& executor) {
  if (job.spec().pacing() == v1::PACING_FREE_RUNNING) co_return;
  const std::uint64_t window = job.spec().window();
  // `batch_size` more may be pulled by now, and wait to be stored next.
  const std::uint64_t held = count + batch_size;
  const std::uint64_t ahead = window > held ? window - held : 0;
  co_await job.log().WaitForRoom(executor, ahead, job.stop_token(), job);
}

Task<> Drain(Job& job, const JobRun& run, const JobEnvironment& environment, Clock& clock) {
  const std::size_t batch_size = BatchSize(job);
  auto batches = job.kind().start(run, environment) |
                 Batch(run.scope, clock, {.max_items = batch_size, .max_delay = kStoreDelay});
  while (auto batch = co_await batches.Next()) {
    co_await WaitForConsumers(job, batch->size(), batch_size, run.scope.executor());
    ThrowIfError(job.Append(*std::move(batch)));
    co_await run.scope.executor().YieldIfBusy();
  }
}

}  // namespace

Task<absl::Status> RunToEnd(std::shared_ptr<Job> job, const JobEnvironment& environment,
                            Executor& executor, Clock& clock) {
  job->MarkRunning();
  JobScope scope(executor, job->stop_token());
  const JobRun run = {job->id(), job->spec(), scope, job->counters()};
  std::exception_ptr error;
  try {
    co_await Drain(*job, run, environment, clock);
  } catch (...) {
    error = std::current_exception();
  }
  scope.RequestStop();
  try {
    co_await scope.Join();
  } catch (...) {
    if (!error) error = std::current_exception();
  }
  co_return job->Finish(ToStatus(error));
}

}  // namespace sluice
