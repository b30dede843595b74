#ifndef SLUICE_SERVER_JOBS_APPLY_JOB_H_
#define SLUICE_SERVER_JOBS_APPLY_JOB_H_

#include "server/jobs/job_kind.h"

namespace sluice {

// Apply: plans of the catalog | changes, one file at a time; or the journal of an apply job |
// changes undone.
JobKind ApplyJobKind();

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_APPLY_JOB_H_
