#include "client/cli/base_job.h"

#include <set>
#include <string>
#include <utility>

#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

using Roots = std::set<std::string>;

void AddRoots(const v1::ScanSpec& spec, Roots& roots) {
  roots.insert(spec.roots().begin(), spec.roots().end());
  roots.insert(spec.raw_roots().begin(), spec.raw_roots().end());
}

// The roots of the job's scans; none where not all of them are there any more. What is not among
// `wanted` ends the search, so that at most one scan more is asked for than there are roots.
Task<Roots> RootsOf(Session session, v1::Job job, Roots wanted) {
  Roots roots;
  for (const std::string& name : job.spec().reconcile().scans()) {
    try {
      const v1::Scan scan = co_await session.client->GetScan(name, session.call_options());
      AddRoots(scan.spec(), roots);
    } catch (const StatusError& error) {
      if (!absl::IsNotFound(error.status())) throw;
      co_return Roots();
    }
    for (const std::string& root : roots) {
      if (!wanted.contains(root)) co_return Roots();
    }
  }
  co_return roots;
}

}  // namespace

Task<std::string> FindBaseJob(Session session, v1::ScanSpec spec) {
  Roots wanted;
  AddRoots(spec, wanted);
  v1::ListJobsRequest request;
  request.set_filter("kind=reconcile AND state=SUCCEEDED");
  request.set_page_size(kMaxBaseJobs);
  const v1::ListJobsResponse page =
      co_await session.client->ListJobs(request, session.call_options());
  for (const v1::Job& job : page.jobs()) {
    const bool has_results = job.oldest_sequence() <= 1;
    if (has_results && co_await RootsOf(session, job, wanted) == wanted) co_return job.name();
  }
  co_return "";
}

}  // namespace sluice::cli
