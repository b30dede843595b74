#ifndef SLUICE_SERVER_JOBS_RETENTION_H_
#define SLUICE_SERVER_JOBS_RETENTION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/task.h"
#include "server/jobs/job_manager.h"

namespace sluice {

struct RetentionLimits {
  // The events of a job, and the scan that it was, are kept this long after its end. Zero: for
  // ever.
  Clock::Duration job_retention = Clock::Duration::zero();
  // When the catalog holds more, the jobs that ended first are given up. 0: no bound.
  std::uint64_t max_catalog_bytes = 0;
};

// Keeps the catalog within its limits
// ===================================
//
// Gives up the events of jobs that have ended, the one that ended first first. The job itself stays
// kKeepJobs times as long: who asks for its events learns that they have expired.
//
// Never given up: jobs that have not ended, those whose events somebody reads at that moment, those
// whose results a job reads which has not ended, and apply jobs that can still be undone. When one
// cannot be any more, what was kept for that is deleted.
//
// Runs every kInterval, and when Kick says so; what was deleted meanwhile is cleared away in
// slices between which jobs store their events. Not thread-safe, but for Kick.
class Retention final {
 public:
  static constexpr std::chrono::seconds kInterval{60};
  static constexpr int kKeepJobs = 10;
  static constexpr std::size_t kPurgeRows = 4096;

  using Report = std::function<void(const std::string&)>;

  Retention(JobManager& manager, RetentionLimits limits, Executor& executor, Clock& clock,
            Report report);

  // Until stopped; then throws Cancelled.
  Task<> Run(std::stop_token stop);
  // Soon, instead of at the next interval.
  void Kick() { kicked_.Notify(); }

  // One round.
  Task<absl::Status> Sweep(std::stop_token stop);

 private:
  // Jobs that must stay, by the job that needs them.
  using Needed = std::map<std::string, std::string>;

  Task<absl::Status> Purge(const std::stop_token& stop);
  absl::Status ExpireOld(const Needed& needed);
  absl::Status DeleteOld(const Needed& needed);
  Task<absl::Status> Shrink(const Needed& needed, const std::stop_token& stop);
  void DiscardJournals(const Needed& needed);
  absl::StatusOr<bool> Expire(const std::string& id, const Needed& needed);

  JobManager& manager_;
  Catalog& catalog_;
  const RetentionLimits limits_;
  Executor& executor_;
  Clock& clock_;
  const Report report_;
  Signal kicked_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_RETENTION_H_
