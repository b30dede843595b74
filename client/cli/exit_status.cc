#include "client/cli/exit_status.h"

namespace sluice::cli {

ExitStatus ExitStatusFor(const absl::Status& status) {
  if (status.ok()) return ExitStatus::kOk;
  return absl::IsInvalidArgument(status) ? ExitStatus::kUsage : ExitStatus::kFailed;
}

namespace {

ExitStatus ExitStatusOf(v1::JobState state, const v1::JobCounters& counters) {
  if (state != v1::JOB_STATE_SUCCEEDED) return ExitStatus::kFailed;
  return counters.errors() > 0 ? ExitStatus::kItemErrors : ExitStatus::kOk;
}

}  // namespace

ExitStatus ExitStatusFor(const v1::JobSummary& summary) {
  return ExitStatusOf(summary.state(), summary.counters());
}

ExitStatus Worse(ExitStatus a, ExitStatus b) {
  // Everything but success and item errors has ended the command.
  if (a == ExitStatus::kOk) return b;
  if (a == ExitStatus::kItemErrors && b != ExitStatus::kOk) return b;
  return a;
}

ExitStatus ExitStatusFor(const v1::Job& job) { return ExitStatusOf(job.state(), job.counters()); }

}  // namespace sluice::cli
