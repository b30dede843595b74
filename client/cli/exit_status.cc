#include "client/cli/exit_status.h"

namespace sluice::cli {

ExitStatus ExitStatusFor(const absl::Status& status) {
  if (status.ok()) return ExitStatus::kOk;
  return absl::IsInvalidArgument(status) ? ExitStatus::kUsage : ExitStatus::kFailed;
}

ExitStatus ExitStatusFor(const v1::JobSummary& summary) {
  if (summary.state() != v1::JOB_STATE_SUCCEEDED) return ExitStatus::kFailed;
  return summary.counters().errors() > 0 ? ExitStatus::kItemErrors : ExitStatus::kOk;
}

}  // namespace sluice::cli
