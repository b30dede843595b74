#ifndef SLUICE_SERVER_JOBS_JOB_RUNNER_H_
#define SLUICE_SERVER_JOBS_JOB_RUNNER_H_

#include <chrono>
#include <memory>

#include "absl/status/status.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "server/jobs/job.h"
#include "server/jobs/job_kind.h"

namespace sluice {

// How long an event may wait for others to be stored with.
inline constexpr std::chrono::milliseconds kStoreDelay(20);

// One run of a job: reads back what earlier runs have recorded, pulls the pipeline in batches,
// waits for the consumers of a paced job, stores each batch, publishes it. Ends when the run has
// ended (with the job, or because it was told to stop) and everything it had started is joined.
// Returns what Job::EndRun returned. Never throws. REQUIRES: job->BeginRun() was true.
//
// Bound: for a paced job, what was pulled and not yet taken by the slowest stream is at most
// `window` events (and what the pipeline's own stages state), or 2 events where window is 1.
Task<absl::Status> RunJob(std::shared_ptr<Job> job, const JobEnvironment& environment,
                          Executor& executor, Clock& clock);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_RUNNER_H_
