#ifndef SLUICE_CLIENT_CLI_BASE_JOB_H_
#define SLUICE_CLIENT_CLI_BASE_JOB_H_

#include <string>

#include "client/cli/command.h"
#include "pipeline/async/task.h"
#include "sluice/v1/scan.pb.h"

namespace sluice::cli {

// Finds what a new reconcile job of the trees of `spec` may build upon: the newest one that has
// succeeded, still has its results, and whose scans had the same roots. Its name ("jobs/{id}");
// empty where there is none among the newest kMaxBaseJobs.
inline constexpr int kMaxBaseJobs = 200;
Task<std::string> FindBaseJob(Session session, v1::ScanSpec spec);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_BASE_JOB_H_
