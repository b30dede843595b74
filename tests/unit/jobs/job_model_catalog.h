#ifndef SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_CATALOG_H_
#define SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_CATALOG_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <gtest/gtest.h>

#include "sluice/v1/job.pb.h"
#include "tests/unit/jobs/fake_catalog.h"

namespace sluice {

// A FakeCatalog that holds its callers to the contract of catalog.h, fails at the write it is told
// to, and remembers every event that was ever stored. Not thread-safe: for tests on one thread.
class StrictCatalog final : public Catalog {
 public:
  enum class Fault : std::uint8_t { kOnce, kForEver };

  // The `nth` write from now on (1: the next) fails, or all from it on.
  void FailWrite(int nth, Fault fault, absl::StatusCode code) {
    fails_at_ = writes_ + nth;
    fault_ = fault;
    code_ = code;
  }
  void Heal() { fails_at_ = kNever; }
  // As another process finds it.
  void Reopen() {
    Heal();
    unstored_.clear();
  }
  // What the next write comes to.
  absl::StatusCode next_write() const {
    const bool fails = fault_ == Fault::kOnce ? writes_ + 1 == fails_at_ : writes_ + 1 >= fails_at_;
    return fails ? code_ : absl::StatusCode::kOk;
  }
  bool fault_ahead() const {
    return fails_at_ != kNever && (fault_ == Fault::kForEver || writes_ < fails_at_);
  }
  // Writes of this job that have failed; whether its last one did.
  int failures(const std::string& id) const { return CountOf(failures_, id); }
  bool is_unstored(const std::string& id) const { return unstored_.contains(id); }

  // Called once, within the next CreateJob, before anything is stored.
  void BeforeNextCreate(std::function<void()> hook) { before_create_ = std::move(hook); }

  // All events of the job, whatever became of it.
  const std::vector<EventRecord>& log(const std::string& id) { return logs_[id]; }
  v1::JobState stored_state(const std::string& id) const { return states_.at(id); }
  std::int64_t end_time_ns(const std::string& id) { return inner_.GetJob(id)->end_time_ns; }

  absl::Status CreateJob(const JobRecord& job) override {
    if (before_create_) std::exchange(before_create_, nullptr)();
    if (absl::Status fault = NextWrite(job.id); !fault.ok()) return fault;
    const bool taken = !job.request_id.empty() && inner_.FindJobByRequestId(job.request_id).ok();
    if (taken) return absl::AlreadyExistsError(job.request_id);
    EXPECT_FALSE(inner_.GetJob(job.id).ok()) << "created twice: " << job.id;
    NoteState(job);
    return inner_.CreateJob(job);
  }
  absl::Status Append(const JobRecord& job, std::span<const EventRecord> events,
                      std::span<const KnownContent> contents) override {
    if (absl::Status fault = NextWrite(job.id); !fault.ok()) return fault;
    const absl::StatusOr<JobRecord> before = inner_.GetJob(job.id);
    if (!before.ok()) return before.status();
    EXPECT_FALSE(before->ended()) << "an ended job changes: " << job.id;
    std::uint64_t last = before->last_sequence;
    for (const EventRecord& event : events) EXPECT_EQ(event.sequence, ++last) << job.id;
    EXPECT_EQ(job.last_sequence, last) << job.id;
    EXPECT_EQ(job.spec, before->spec) << job.id;
    NoteState(job);
    logs_[job.id].insert(logs_[job.id].end(), events.begin(), events.end());
    return inner_.Append(job, events, contents);
  }
  absl::Status DeleteJob(const std::string& id) override {
    if (absl::Status fault = NextWrite(id); !fault.ok()) return fault;
    return inner_.DeleteJob(id);
  }
  absl::Status ExpireEvents(const std::string& id) override {
    if (absl::Status fault = NextWrite(id); !fault.ok()) return fault;
    return inner_.ExpireEvents(id);
  }
  absl::StatusOr<bool> Purge(std::size_t max_rows) override {
    if (absl::Status fault = NextWrite(""); !fault.ok()) return fault;
    return inner_.Purge(max_rows);
  }

  absl::StatusOr<JobRecord> GetJob(const std::string& id) override { return inner_.GetJob(id); }
  absl::StatusOr<JobRecord> FindJobByRequestId(const std::string& request_id) override {
    return inner_.FindJobByRequestId(request_id);
  }
  absl::StatusOr<std::vector<JobRecord>> ListJobs(const std::string& before_id,
                                                  const std::string& kind,
                                                  std::size_t limit) override {
    return inner_.ListJobs(before_id, kind, limit);
  }
  absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs(const std::string& after_id,
                                                         std::size_t limit) override {
    return inner_.ListUnendedJobs(after_id, limit);
  }
  absl::StatusOr<std::vector<JobRecord>> ListEndedJobs(Retained which, std::int64_t ended_before_ns,
                                                       std::size_t limit) override {
    return inner_.ListEndedJobs(which, ended_before_ns, limit);
  }
  absl::StatusOr<std::uint64_t> UsedBytes() override { return inner_.UsedBytes(); }
  absl::StatusOr<std::vector<EventRecord>> ReadEvents(const std::string& job_id,
                                                      std::uint64_t first_sequence,
                                                      std::size_t limit) override {
    return inner_.ReadEvents(job_id, first_sequence, limit);
  }
  absl::StatusOr<std::vector<EventRecord>> ReadFiles(const std::string& job_id, std::uint64_t first,
                                                     const FileQuery& query,
                                                     std::size_t limit) override {
    return inner_.ReadFiles(job_id, first, query, limit);
  }
  absl::StatusOr<std::vector<EventRecord>> ReadPayloads(const std::string& job_id,
                                                        std::uint64_t first, std::uint32_t kind,
                                                        std::size_t limit) override {
    return inner_.ReadPayloads(job_id, first, kind, limit);
  }
  // UNIMPLEMENTED: a reconcile job that runs is one that fails.
  absl::StatusOr<std::unique_ptr<CandidateList>> OpenCandidates(
      const CandidateQuery& query, const std::stop_token& stop) override {
    return inner_.OpenCandidates(query, stop);
  }

 private:
  static constexpr int kNever = std::numeric_limits<int>::max();

  static int CountOf(const std::map<std::string, int>& counts, const std::string& id) {
    const auto found = counts.find(id);
    return found == counts.end() ? 0 : found->second;
  }

  absl::Status NextWrite(const std::string& id) {
    const bool fails = next_write() != absl::StatusCode::kOk;
    ++writes_;
    if (!fails) {
      unstored_.erase(id);
      return absl::OkStatus();
    }
    ++failures_[id];
    unstored_.insert(id);
    return {code_, "injected"};
  }

  void NoteState(const JobRecord& record) {
    v1::Job job;
    EXPECT_TRUE(job.ParseFromString(record.record));
    states_[record.id] = job.state();
  }

  FakeCatalog inner_;
  int writes_ = 0;
  int fails_at_ = kNever;
  Fault fault_ = Fault::kOnce;
  absl::StatusCode code_ = absl::StatusCode::kOk;
  std::map<std::string, int> failures_;
  std::set<std::string> unstored_;
  std::function<void()> before_create_;
  std::map<std::string, std::vector<EventRecord>> logs_;
  std::map<std::string, v1::JobState> states_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_CATALOG_H_
