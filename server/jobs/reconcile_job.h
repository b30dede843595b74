#ifndef SLUICE_SERVER_JOBS_RECONCILE_JOB_H_
#define SLUICE_SERVER_JOBS_RECONCILE_JOB_H_

#include "server/jobs/job_kind.h"

namespace sluice {

// Reconcile: candidates of the catalog | staged digests | groups | plans.
JobKind ReconcileJobKind();

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_RECONCILE_JOB_H_
