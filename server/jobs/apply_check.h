#ifndef SLUICE_SERVER_JOBS_APPLY_CHECK_H_
#define SLUICE_SERVER_JOBS_APPLY_CHECK_H_

#include <optional>
#include <string>

#include "absl/status/status.h"

#include "server/jobs/job_kind.h"
#include "sluice/v1/apply.pb.h"

// Whether an apply job can be started.
namespace sluice {

void CheckApplyFields(const v1::ApplySpec& spec, FieldViolations& violations);
// REQUIRES: CheckApplyFields found nothing. Of plans that are named, all that the job has are read.
absl::Status CheckApplyWorld(const v1::ApplySpec& spec, const JobEnvironment& environment);
// Of two that undo the same job, each would take the other's changes for somebody else's: the
// second one is refused until the first has ended. REQUIRES: CheckApplyFields found nothing.
absl::Status CheckApplyBeside(const v1::ApplySpec& spec, const v1::Job& unended);

// Id of the job whose plans are carried out, or which is undone; nullopt for a wrong name.
std::optional<std::string> InputOfApply(const v1::ApplySpec& spec);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_APPLY_CHECK_H_
