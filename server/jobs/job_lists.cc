#include "server/jobs/job_lists.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"
#include "server/jobs/job_filter.h"
#include "server/jobs/job_id.h"
#include "server/jobs/scan_job.h"

namespace sluice {
namespace {

// A page is cut before the job that would take it beyond this, so that it fits a message.
constexpr std::size_t kPageBytes = 1024 * 1024;

}  // namespace

absl::StatusOr<JobPage> ListJobs(JobTable& table, int page_size, const std::string& page_token,
                                 const std::string& filter_text) {
  const absl::StatusOr<std::size_t> limit = PageSize(page_size);
  if (!limit.ok()) return limit.status();
  const absl::StatusOr<JobFilter> filter = JobFilter::Parse(filter_text);
  if (!filter.ok()) return filter.status();
  const std::string list = absl::StrCat("jobs ", filter_text);
  const absl::StatusOr<std::string> before = ParsePageToken(page_token, list);
  if (!before.ok()) return before.status();

  JobPage page;
  std::string last_id;
  std::size_t bytes = 0;
  absl::Status status =
      table.ForEach(*before, filter->kind(), [&](const v1::Job& job, const std::string& id) {
        if (!filter->Matches(job)) return true;
        bytes += job.ByteSizeLong();
        if (page.jobs.size() == *limit || (bytes > kPageBytes && !page.jobs.empty())) {
          page.next_page_token = MakePageToken(last_id, list);
          return false;
        }
        page.jobs.push_back(job);
        last_id = id;
        return true;
      });
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<ScanPage> ListScans(JobTable& table, const std::string& host, int page_size,
                                   const std::string& page_token) {
  // A scan is a scan job, seen from its result.
  absl::StatusOr<JobPage> jobs = ListJobs(table, page_size, page_token, "kind=scan");
  if (!jobs.ok()) return jobs.status();
  ScanPage page;
  for (const v1::Job& job : jobs->jobs) page.scans.push_back(ScanOfJob(job, host));
  page.next_page_token = std::move(jobs->next_page_token);
  return page;
}

absl::StatusOr<std::shared_ptr<Job>> FindScan(JobTable& table, const std::string& name) {
  if (name.empty()) return FieldError("name", "is required, as \"scans/{id}\"");
  const std::optional<std::string> id = IdFromName(name, "scans");
  if (!id) return NotFoundError("scan", absl::CHexEscape(name));
  absl::StatusOr<std::shared_ptr<Job>> job = table.Find(*id);
  if (absl::IsNotFound(job.status()) || (job.ok() && !(*job)->spec().has_scan())) {
    return NotFoundError("scan", name);
  }
  return job;
}

}  // namespace sluice
