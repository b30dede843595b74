#ifndef SLUICE_TESTS_UNIT_JOBS_FAKE_CATALOG_H_
#define SLUICE_TESTS_UNIT_JOBS_FAKE_CATALOG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/catalog/catalog.h"

namespace sluice {

// A catalog in memory, which counts its reads and fails when it is told to.
class FakeCatalog final : public Catalog {
 public:
  absl::Status CreateJob(const JobRecord& job) override {
    std::lock_guard lock(mutex_);
    if (!next_failure_.ok()) return std::exchange(next_failure_, absl::OkStatus());
    jobs_[job.id] = job;
    return absl::OkStatus();
  }
  absl::StatusOr<JobRecord> GetJob(const std::string& id) override {
    std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return absl::NotFoundError(id);
    return found->second;
  }
  absl::StatusOr<JobRecord> FindJobByRequestId(const std::string& request_id) override {
    std::lock_guard lock(mutex_);
    for (const auto& [id, job] : jobs_) {
      if (job.request_id == request_id) return job;
    }
    return absl::NotFoundError(request_id);
  }
  absl::StatusOr<std::vector<JobRecord>> ListJobs(const std::string& before_id,
                                                  const std::string& kind,
                                                  std::size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<JobRecord> page;
    for (auto job = jobs_.rbegin(); job != jobs_.rend() && page.size() < limit; ++job) {
      if (!before_id.empty() && job->first >= before_id) continue;
      if (kind.empty() || job->second.kind == kind) page.push_back(job->second);
    }
    return page;
  }
  absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs() override {
    std::lock_guard lock(mutex_);
    std::vector<JobRecord> unended;
    for (const auto& [id, job] : jobs_) {
      if (!job.ended) unended.push_back(job);
    }
    return unended;
  }
  absl::Status AppendEvents(const JobRecord& job, std::span<const EventRecord> events) override {
    std::lock_guard lock(mutex_);
    if (!next_failure_.ok()) return std::exchange(next_failure_, absl::OkStatus());
    jobs_[job.id] = job;
    std::vector<EventRecord>& log = events_[job.id];
    log.insert(log.end(), events.begin(), events.end());
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<EventRecord>> ReadEvents(const std::string& job_id,
                                                      std::uint64_t first_sequence,
                                                      std::size_t limit) override {
    std::lock_guard lock(mutex_);
    ++reads_;
    const std::vector<EventRecord>& log = events_[job_id];
    std::vector<EventRecord> page;
    for (std::size_t i = first_sequence - 1; i < log.size() && page.size() < limit; ++i) {
      page.push_back(log[i]);
    }
    return page;
  }
  absl::StatusOr<std::vector<EventRecord>> ReadFiles(const std::string&, std::uint64_t,
                                                     const FileQuery&, std::size_t) override {
    return absl::UnimplementedError("not in these tests");
  }
  absl::StatusOr<std::vector<EventRecord>> ReadPayloads(const std::string&, std::uint64_t,
                                                        std::uint32_t, std::size_t) override {
    return absl::UnimplementedError("not in these tests");
  }
  absl::StatusOr<std::unique_ptr<CandidateList>> OpenCandidates(const CandidateQuery&,
                                                                const std::stop_token&) override {
    return absl::UnimplementedError("not in these tests");
  }

  void FailNextWrite(absl::Status status) {
    std::lock_guard lock(mutex_);
    next_failure_ = std::move(status);
  }
  std::size_t reads() const {
    std::lock_guard lock(mutex_);
    return reads_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, JobRecord> jobs_;
  std::map<std::string, std::vector<EventRecord>> events_;
  std::size_t reads_ = 0;
  absl::Status next_failure_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_FAKE_CATALOG_H_
