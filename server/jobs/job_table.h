#ifndef SLUICE_SERVER_JOBS_JOB_TABLE_H_
#define SLUICE_SERVER_JOBS_JOB_TABLE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/async/clock.h"
#include "server/jobs/job.h"
#include "server/jobs/job_kind.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// Finds jobs: one object of each, as long as anybody holds it, so that all who look at a job see
// the same changes. What nobody holds is in the catalog only. Memory: that of the jobs held.
// Thread-safe. Blocks on the catalog. Lifetime: environment and clock outlive it.
class JobTable final {
 public:
  JobTable(const JobEnvironment& environment, const Clock& clock)
      : environment_(environment), clock_(clock) {}

  // A job that was just created.
  void Add(const std::shared_ptr<Job>& job);
  // A job that was deleted.
  void Remove(const std::string& id);

  // NOT_FOUND, DATA_LOSS, and the catalog's other errors.
  absl::StatusOr<std::shared_ptr<Job>> Find(const std::string& id);
  // `name` is "jobs/{id}"; INVALID_ARGUMENT when it is empty.
  absl::StatusOr<std::shared_ptr<Job>> FindByName(const std::string& name);

  // Calls visit(job, id) for the jobs below `before_id`, newest first, until it returns false.
  using Visit = std::function<bool(const v1::Job& job, const std::string& id)>;
  absl::Status ForEach(const std::string& before_id, const std::string& kind, const Visit& visit);

 private:
  std::shared_ptr<Job> FindHeld(const std::string& id);
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const JobEnvironment& environment_;
  const Clock& clock_;

  // Held while a record is read: no job changes between being read and being held.
  std::mutex reading_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Job>> held_ ABSL_GUARDED_BY(mutex_);
  std::size_t forget_at_ ABSL_GUARDED_BY(mutex_) = 64;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_TABLE_H_
