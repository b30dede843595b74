#ifndef SLUICE_TESTS_UNIT_JOBS_JOB_RIG_H_
#define SLUICE_TESTS_UNIT_JOBS_JOB_RIG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/fs/content_digester.h"
#include "server/catalog/sqlite_catalog.h"
#include "server/jobs/event_stream.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/job_spec.h"
#include "tests/unit/catalog/fixture.h"
#include "tests/unit/fs/temp_tree.h"
#include "tests/unit/jobs/parsed_stream.h"

namespace sluice {

// A job manager with all it needs that is real: a tree, a catalog, threads, a clock.
class JobRig final {
 public:
  // `digester`: nullptr for the real one.
  explicit JobRig(JobLimits limits = {}, ContentDigester* digester = nullptr)
      : limits_(limits), digester_(digester != nullptr ? *digester : real_digester_) {
    Open();
  }
  JobRig(const JobRig&) = delete;
  JobRig& operator=(const JobRig&) = delete;
  ~JobRig() { Close(); }

  const TempTree& tree() const { return tree_; }
  Executor& executor() { return threads_; }
  Clock& clock() { return clock_; }
  JobManager& manager() { return *manager_; }
  Catalog& catalog() { return *catalog_; }
  const ApplyJournals& journals() const { return journals_; }
  // What was said of them.
  const std::vector<std::string>& journal_reports() const { return journal_reports_; }

  // As a server that is stopped and started again.
  void Restart(ResumeJobs policy = ResumeJobs::kAuto) {
    Close();
    Open(policy);
  }

  v1::JobSpec ScanSpec(v1::DigestPolicy policy = v1::DIGEST_POLICY_NONE) const {
    v1::JobSpec spec;
    spec.mutable_scan()->add_roots(tree_.root());
    spec.mutable_scan()->set_digest_policy(policy);
    return spec;
  }

  // Checks the spec and starts it.
  absl::StatusOr<std::shared_ptr<Job>> Start(v1::JobSpec spec, const std::string& request_id = "",
                                             v1::Pacing pacing = v1::PACING_FREE_RUNNING) {
    absl::StatusOr<v1::JobSpec> checked = CheckSpec(std::move(spec), pacing, *environment_);
    if (!checked.ok()) return checked.status();
    return manager_->Start(*std::move(checked), request_id);
  }

  // Follows the job to its end; all its events.
  std::vector<v1::JobEvent> Follow(const std::shared_ptr<Job>& job) {
    return SyncWait(FollowTask(Stream(job), SIZE_MAX));
  }
  // Its first events, then turns away.
  std::vector<v1::JobEvent> FollowForAWhile(const std::shared_ptr<Job>& job) {
    return SyncWait(FollowTask(Stream(job), 1));
  }
  std::vector<v1::JobEvent> RunToEnd(v1::JobSpec spec) {
    return Follow(Value(Start(std::move(spec))));
  }

  // Waits until the job is in this state; the test's timeout is the limit.
  static void AwaitState(const Job& job, v1::JobState state) {
    while (job.state() != state) std::this_thread::yield();
  }

 private:
  AsyncGenerator<v1::EventBatch> Stream(const std::shared_ptr<Job>& job) {
    return Parsed(EventStream(
        job, 1, {},
        {.executor = threads_, .clock = clock_, .stop = {}, .draining = manager_->draining()}));
  }
  // Until there are so many, or no more.
  static Task<std::vector<v1::JobEvent>> FollowTask(AsyncGenerator<v1::EventBatch> stream,
                                                    std::size_t count) {
    std::vector<v1::JobEvent> events;
    while (events.size() < count) {
      auto batch = co_await stream.Next();
      if (!batch) break;
      events.insert(events.end(), batch->events().begin(), batch->events().end());
    }
    co_return events;
  }

  void Open(ResumeJobs policy = ResumeJobs::kAuto) {
    catalog_ = Value(OpenSqliteCatalog(data_.path()));
    environment_.emplace(JobEnvironment{.roots = roots_,
                                        .catalog = *catalog_,
                                        .digester = digester_,
                                        .journals = journals_,
                                        .clock = clock_,
                                        .spool_directory = data_.path(),
                                        .host = "host",
                                        .protected_directories = {}});
    manager_ = std::make_unique<JobManager>(*environment_, limits_, threads_, clock_,
                                            [](const std::string& text) { ADD_FAILURE() << text; });
    EXPECT_EQ(manager_->Recover(policy), absl::OkStatus());
  }

  void Close() {
    manager_->Drain();
    SyncWait(manager_->Join());
    manager_.reset();
    catalog_.reset();
  }

  const JobLimits limits_;
  TempTree tree_;
  TempDirectory data_;
  AllowedRoots roots_ = tree_.Roots();
  FileContentDigester real_digester_{roots_};
  ContentDigester& digester_;
  SystemClock clock_;
  std::vector<std::string> journal_reports_;
  const ApplyJournals journals_{
      SystemFsOps(), roots_, data_.path(),
      [this](const std::string& text) { journal_reports_.push_back(text); }};
  ThreadPool threads_{3};
  std::unique_ptr<Catalog> catalog_;
  std::optional<JobEnvironment> environment_;
  std::unique_ptr<JobManager> manager_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_JOB_RIG_H_
