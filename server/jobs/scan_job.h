#ifndef SLUICE_SERVER_JOBS_SCAN_JOB_H_
#define SLUICE_SERVER_JOBS_SCAN_JOB_H_

#include <string>
#include <vector>

#include "server/jobs/job_kind.h"
#include "sluice/v1/job.pb.h"
#include "sluice/v1/scan.pb.h"

namespace sluice {

// Scan: enumerate | digest by policy.
JobKind ScanJobKind();

// The roots of a spec, normalized, in order. REQUIRES: a spec that was checked.
std::vector<std::string> ScanRoots(const v1::ScanSpec& spec);

// The scan that a scan job is, as a resource. REQUIRES: job.spec().has_scan().
v1::Scan ScanOfJob(const v1::Job& job, const std::string& host);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_SCAN_JOB_H_
