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
#include <tuple>
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
  absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs(const std::string& after_id,
                                                         std::size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<JobRecord> page;
    for (auto job = jobs_.upper_bound(after_id); job != jobs_.end() && page.size() < limit; ++job) {
      if (!job->second.ended()) page.push_back(job->second);
    }
    return page;
  }
  // Also of a job that nobody has created.
  absl::Status Append(const JobRecord& job, std::span<const EventRecord> events,
                      std::span<const KnownContent> /*contents*/) override {
    std::lock_guard lock(mutex_);
    if (!next_failure_.ok()) return std::exchange(next_failure_, absl::OkStatus());
    JobRecord& stored = jobs_.try_emplace(job.id, job).first->second;
    stored.end_time_ns = job.end_time_ns;
    stored.last_sequence = job.last_sequence;
    stored.record = job.record;
    stored.checkpoint = job.checkpoint;
    std::vector<EventRecord>& log = events_[job.id];
    log.insert(log.end(), events.begin(), events.end());
    return absl::OkStatus();
  }
  absl::Status DeleteJob(const std::string& id) override {
    std::lock_guard lock(mutex_);
    if (!next_failure_.ok()) return std::exchange(next_failure_, absl::OkStatus());
    events_.erase(id);
    return jobs_.erase(id) == 1 ? absl::OkStatus() : absl::NotFoundError(id);
  }
  absl::Status ExpireEvents(const std::string& id) override {
    std::lock_guard lock(mutex_);
    if (!next_failure_.ok()) return std::exchange(next_failure_, absl::OkStatus());
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return absl::NotFoundError(id);
    JobRecord& job = found->second;
    if (!job.ended()) return absl::FailedPreconditionError(id);
    job.oldest_sequence = job.last_sequence + 1;
    return absl::OkStatus();
  }
  // The rows of deleted jobs are gone as soon as the job is; those of expired ones stay until here.
  absl::StatusOr<bool> Purge(std::size_t) override {
    std::lock_guard lock(mutex_);
    if (!next_failure_.ok()) return std::exchange(next_failure_, absl::OkStatus());
    for (const auto& [id, job] : jobs_) {
      std::erase_if(events_[id],
                    [&](const EventRecord& event) { return event.sequence < job.oldest_sequence; });
    }
    return false;
  }
  absl::StatusOr<std::vector<JobRecord>> ListEndedJobs(Retained which, std::int64_t ended_before_ns,
                                                       std::size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<JobRecord> ended;
    for (const auto& [id, job] : jobs_) {
      const bool has_events = job.last_sequence >= job.oldest_sequence;
      if (!job.ended() || job.end_time_ns >= ended_before_ns) continue;
      if (has_events == (which == Retained::kExpirable)) ended.push_back(job);
    }
    std::ranges::sort(ended, {},
                      [](const JobRecord& job) { return std::tie(job.end_time_ns, job.id); });
    if (ended.size() > limit) ended.resize(limit);
    return ended;
  }
  // kBytesOfAnEvent each.
  absl::StatusOr<std::uint64_t> UsedBytes() override {
    std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const auto& [id, log] : events_) bytes += log.size() * kBytesOfAnEvent;
    return bytes;
  }
  static constexpr std::uint64_t kBytesOfAnEvent = 1000;

  absl::StatusOr<std::vector<EventRecord>> ReadEvents(const std::string& job_id,
                                                      std::uint64_t first_sequence,
                                                      std::size_t limit) override {
    std::lock_guard lock(mutex_);
    ++reads_;
    const auto job = jobs_.find(job_id);
    if (job != jobs_.end()) first_sequence = std::max(first_sequence, job->second.oldest_sequence);
    std::vector<EventRecord> page;
    for (const EventRecord& event : events_[job_id]) {
      if (event.sequence >= first_sequence && page.size() < limit) page.push_back(event);
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
