#ifndef SLUICE_SERVER_JOBS_SCAN_JOB_H_
#define SLUICE_SERVER_JOBS_SCAN_JOB_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "server/jobs/job_kind.h"
#include "sluice/v1/job.pb.h"
#include "sluice/v1/scan.pb.h"

namespace sluice {

// Scan: enumerate | digest by policy.
JobKind ScanJobKind();

// The job of "scans/{id}". NOT_FOUND where there is none. REQUIRES: a name that was checked.
absl::StatusOr<v1::Job> ReadScanJob(const std::string& scan, Catalog& catalog);
// FAILED_PRECONDITION where its files are not kept any more.
absl::Status CheckScanIsKept(const std::string& scan, const v1::Job& job);

// Files that were written so shortly before a job, or during it, may have changed once more without
// a trace since the job read them: what it found out about older ones only is used again.
std::int64_t TrustedBefore(const v1::Job& job);

// The roots of a spec, normalized, in order. REQUIRES: a spec that was checked.
std::vector<std::string> ScanRoots(const v1::ScanSpec& spec);

// The scan that a scan job is, as a resource. REQUIRES: job.spec().has_scan().
v1::Scan ScanOfJob(const v1::Job& job, const std::string& host);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_SCAN_JOB_H_
