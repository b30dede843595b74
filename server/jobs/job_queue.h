#ifndef SLUICE_SERVER_JOBS_JOB_QUEUE_H_
#define SLUICE_SERVER_JOBS_JOB_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/jobs/job.h"

namespace sluice {

// The jobs that wait for their turn: by priority, then by age. Guarded by its owner. Memory: a
// pointer for each.
class JobQueue final {
 public:
  std::size_t size() const { return waiting_.size(); }
  bool empty() const { return waiting_.empty(); }

  // Both do nothing when it is so already.
  void Insert(const std::shared_ptr<Job>& job) { waiting_.emplace(PlaceOf(*job), job); }
  void Remove(const Job& job) { waiting_.erase(PlaceOf(job)); }

  // REQUIRES: !empty().
  std::shared_ptr<Job> Pop() {
    std::shared_ptr<Job> first = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    return first;
  }

 private:
  // Ids sort by time of creation.
  using Place = std::pair<std::int32_t, std::string>;
  static Place PlaceOf(const Job& job) { return {-job.spec().priority(), job.id()}; }

  std::map<Place, std::shared_ptr<Job>> waiting_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_QUEUE_H_
