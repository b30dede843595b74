#ifndef SLUICE_SERVER_JOBS_JOB_SPEC_H_
#define SLUICE_SERVER_JOBS_JOB_SPEC_H_

#include <string>

#include "absl/status/statusor.h"

#include "server/jobs/job_kind.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// Checks a spec, first in itself, then against the world, and fills in its defaults. Blocks on the
// disk. Errors: those of RunJob in sluice/v1/job_service.proto, with details.
absl::StatusOr<v1::JobSpec> CheckSpec(v1::JobSpec spec, v1::Pacing default_pacing,
                                      const JobEnvironment& environment);

// The same text for equal specs.
std::string FingerprintOf(const v1::JobSpec& spec);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_SPEC_H_
