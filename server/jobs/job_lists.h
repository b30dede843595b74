#ifndef SLUICE_SERVER_JOBS_JOB_LISTS_H_
#define SLUICE_SERVER_JOBS_JOB_LISTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "server/jobs/job_table.h"
#include "sluice/v1/job.pb.h"
#include "sluice/v1/scan.pb.h"

namespace sluice {

// Jobs, and the scans that scan jobs are, in pages, newest first. A page token names the last entry
// of its page, so that pages stay what they are while jobs come and go. Blocks on the catalog.
// Errors: INVALID_ARGUMENT (page_size, page_token, filter), and the catalog's.
struct JobPage {
  std::vector<v1::Job> jobs;
  std::string next_page_token;
};
absl::StatusOr<JobPage> ListJobs(JobTable& table, int page_size, const std::string& page_token,
                                 const std::string& filter);

struct ScanPage {
  std::vector<v1::Scan> scans;
  std::string next_page_token;
};
absl::StatusOr<ScanPage> ListScans(JobTable& table, const std::string& host, int page_size,
                                   const std::string& page_token);

// The job behind "scans/{id}". NOT_FOUND when there is none, or it is of another kind.
absl::StatusOr<std::shared_ptr<Job>> FindScan(JobTable& table, const std::string& name);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_LISTS_H_
