#include "server/jobs/retention.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"
#include "server/jobs/errors.h"

namespace sluice {
namespace {

// Jobs looked at in one round.
constexpr std::size_t kJobsARound = 1000;
constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::max();

}  // namespace

Retention::Retention(JobManager& manager, RetentionLimits limits, Executor& executor, Clock& clock,
                     Report report)
    : manager_(manager),
      catalog_(manager.environment().catalog),
      limits_(limits),
      executor_(executor),
      clock_(clock),
      report_(std::move(report)) {}

Task<> Retention::Run(std::stop_token stop) {
  while (true) {
    const std::uint64_t seen = kicked_.count();
    const absl::Status status = co_await Sweep(stop);
    if (!status.ok()) report_(absl::StrCat("retention: ", status.ToString()));
    const Wake wake = co_await kicked_.Wait(
        executor_, seen, {.stop = stop, .clock = &clock_, .deadline = clock_.Now() + kInterval});
    if (wake == Wake::kStopped) throw Cancelled();
  }
}

Task<absl::Status> Retention::Sweep(std::stop_token stop) {
  const absl::StatusOr<Needed> needed = manager_.NeededJobs();
  if (!needed.ok()) co_return needed.status();
  DiscardJournals(*needed);
  if (limits_.job_retention > Clock::Duration::zero()) {
    if (absl::Status status = ExpireOld(*needed); !status.ok()) co_return status;
    if (absl::Status status = DeleteOld(*needed); !status.ok()) co_return status;
  }
  if (absl::Status status = co_await Purge(stop); !status.ok()) co_return status;
  if (limits_.max_catalog_bytes == 0) co_return absl::OkStatus();
  co_return co_await Shrink(*needed, stop);
}

Task<absl::Status> Retention::Purge(const std::stop_token& stop) {
  while (true) {
    ThrowIfStopRequested(stop);
    const absl::StatusOr<bool> more = catalog_.Purge(kPurgeRows);
    if (!more.ok()) co_return CatalogError(more.status());
    if (!*more) co_return absl::OkStatus();
    co_await executor_.Schedule();
  }
}

absl::Status Retention::ExpireOld(const Needed& needed) {
  const std::int64_t before = clock_.UnixNanos() - limits_.job_retention.count();
  const auto jobs = catalog_.ListEndedJobs(Catalog::Retained::kExpirable, before, kJobsARound);
  if (!jobs.ok()) return CatalogError(jobs.status());
  for (const JobRecord& job : *jobs) {
    const absl::StatusOr<bool> expired = Expire(job.id, needed);
    if (!expired.ok()) return expired.status();
  }
  return absl::OkStatus();
}

absl::Status Retention::DeleteOld(const Needed& needed) {
  const ApplyJournals& journals = manager_.environment().journals;
  const std::int64_t before = clock_.UnixNanos() - kKeepJobs * limits_.job_retention.count();
  const auto jobs = catalog_.ListEndedJobs(Catalog::Retained::kExpired, before, kJobsARound);
  if (!jobs.ok()) return CatalogError(jobs.status());
  for (const JobRecord& job : *jobs) {
    // One that still has a journal could not be rid of it: see DiscardJournals.
    if (needed.contains(job.id) || journals.Exists(job.id)) continue;
    const absl::StatusOr<std::shared_ptr<Job>> found = manager_.table().Find(job.id);
    if (found.ok() && (*found)->Snapshot().has_undo_expire_time()) continue;
    const absl::Status deleted = found.ok() ? manager_.Delete(*found) : found.status();
    if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
  }
  return absl::OkStatus();
}

Task<absl::Status> Retention::Shrink(const Needed& needed, const std::stop_token& stop) {
  const auto jobs = catalog_.ListEndedJobs(Catalog::Retained::kExpirable, kAnyTime, kJobsARound);
  if (!jobs.ok()) co_return CatalogError(jobs.status());
  for (const JobRecord& job : *jobs) {
    const absl::StatusOr<std::uint64_t> used = catalog_.UsedBytes();
    if (!used.ok()) co_return CatalogError(used.status());
    if (*used <= limits_.max_catalog_bytes) break;
    const absl::StatusOr<bool> expired = Expire(job.id, needed);
    if (!expired.ok()) co_return expired.status();
    if (!*expired) continue;
    if (absl::Status status = co_await Purge(stop); !status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

absl::StatusOr<bool> Retention::Expire(const std::string& id, const Needed& needed) {
  if (needed.contains(id)) return false;
  const absl::StatusOr<std::shared_ptr<Job>> job = manager_.table().Find(id);
  if (absl::IsNotFound(job.status())) return false;
  if (!job.ok()) return job.status();
  if ((*job)->Snapshot().has_undo_expire_time()) return false;
  return (*job)->ExpireEvents();
}

// A failure concerns one journal, and may pass: it is reported once, and the next round tries
// again.
void Retention::DiscardJournals(const Needed& needed) {
  const ApplyJournals& journals = manager_.environment().journals;
  const absl::StatusOr<std::vector<std::string>> ids = journals.List();
  if (!ids.ok()) return report_(absl::StrCat("retention: ", ids.status().ToString()));
  for (const std::string& id : *ids) {
    const absl::StatusOr<std::shared_ptr<Job>> job = manager_.table().Find(id);
    absl::Status status = job.status();
    if (job.ok()) {
      const v1::Job shown = (*job)->Snapshot();
      const bool wanted =
          !shown.has_end_time() || shown.has_undo_expire_time() || needed.contains(id);
      if (wanted) continue;
    }
    if (status.ok() || absl::IsNotFound(status)) status = journals.Discard(id);
    journals.ReportNew(id, status);
  }
}

}  // namespace sluice
