#ifndef SLUICE_CLIENT_CLI_FOLLOW_H_
#define SLUICE_CLIENT_CLI_FOLLOW_H_

#include <cstdint>
#include <string>

#include "client/cli/command.h"
#include "client/cli/exit_status.h"
#include "pipeline/async/task.h"
#include "sluice/v1/event.pb.h"

namespace sluice::cli {

// Whether each file of a scan is printed, or only counted.
enum class Files : std::uint8_t { kCount, kPrint };

// What a job came to. The job is as the stream told last.
struct FollowedJob {
  v1::Job job;
  v1::JobSummary summary;
};

// Each prints the events of a job as they come, and its progress; until its end, whatever that is.
// What went wrong with the job is said on standard error, and so is that it is paused, or that the
// connection was lost and is there again. Throws what ends the stream before the job: StatusError,
// Cancelled.
//
// Starts a job and follows it. Interrupted, it cancels the job before it throws Cancelled.
Task<FollowedJob> RunJob(Session session, v1::JobSpec spec, Files files);
// Follows a job that is there; interrupted, leaves it alone.
Task<FollowedJob> WatchJob(Session session, v1::WatchJobRequest request, Files files);

// Why a job did not succeed, in a line or more.
std::string FailureText(const v1::Job& job);

// RunJob and then the summary; or with `detach` only starts the job and prints its name.
Task<ExitStatus> RunAndReport(Session session, v1::JobSpec spec, Files files, bool detach);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_FOLLOW_H_
