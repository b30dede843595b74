#ifndef SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_RIG_H_
#define SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_RIG_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "server/jobs/job_manager.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/temp_tree.h"
#include "tests/unit/jobs/gated_digester.h"
#include "tests/unit/jobs/job_model_catalog.h"

namespace sluice {

// A job manager that runs on the test's own thread, step by step, over a catalog that fails when it
// is told to; only the tree is real. What happens depends on nothing but the test's calls.
class ManualJobRig final {
 public:
  ManualJobRig(const TempTree& tree, JobLimits limits, GatedDigester::OnStop on_stop)
      : limits_(limits), on_stop_(on_stop), tree_(tree) {
    clock_.Advance(std::chrono::hours(1));  // Not at the beginning of time: 0 is "not yet".
    Open(ResumeJobs::kAuto);
  }
  ManualJobRig(const ManualJobRig&) = delete;
  ManualJobRig& operator=(const ManualJobRig&) = delete;
  ~ManualJobRig() {
    if (!manager_) return;
    manager_->Drain();
    Close();
  }

  StrictCatalog& catalog() { return catalog_; }
  ManualClock& clock() { return clock_; }
  ManualExecutor& executor() { return executor_; }
  GatedDigester& digester() { return *digester_; }
  JobManager& manager() { return *manager_; }

  v1::JobSpec ScanSpec(v1::DigestPolicy policy, v1::Pacing pacing = v1::PACING_FREE_RUNNING,
                       std::uint32_t window = 1024) const {
    v1::JobSpec spec;
    spec.mutable_scan()->add_roots(tree_.root());
    spec.mutable_scan()->set_digest_policy(policy);
    spec.mutable_scan()->set_read_threads(2);
    spec.set_pacing(pacing);
    spec.set_window(window);
    return spec;
  }

  // So long that every wait of a run or a stream is over, and jobs get as far as the gate and their
  // consumers let them.
  void LetTimePass() {
    constexpr int kRounds = 12;
    for (int i = 0; i < kRounds; ++i) {
      executor_.RunAll();
      clock_.Advance(std::chrono::milliseconds(60));
    }
    executor_.RunAll();
  }

  // Ends the manager. REQUIRES: it drains, and no stream waits.
  void Close() {
    digester_->Open();
    const Started<void> joined(manager_->Join());
    executor_.RunAll();
    ASSERT_TRUE(joined.done()) << "a run does not end when the server stops";
    manager_.reset();
  }
  void Open(ResumeJobs policy) {
    clock_.Advance(std::chrono::milliseconds(2));  // No process starts in no time: ids sort by ms.
    digester_ = std::make_unique<GatedDigester>(on_stop_);
    environment_.emplace(JobEnvironment{.roots = roots_,
                                        .catalog = catalog_,
                                        .digester = *digester_,
                                        .journals = journals_,
                                        .clock = clock_,
                                        .spool_directory = tree_.root(),
                                        .host = "host",
                                        .protected_directories = {}});
    // Failures to store are what these tests make: they look at the job instead.
    manager_ = std::make_unique<JobManager>(*environment_, limits_, executor_, clock_,
                                            [](const std::string&) {});
    EXPECT_EQ(manager_->Recover(policy), absl::OkStatus());
  }

 private:
  const JobLimits limits_;
  const GatedDigester::OnStop on_stop_;
  const TempTree& tree_;
  AllowedRoots roots_ = tree_.Roots();
  ManualClock clock_;
  const ApplyJournals journals_{SystemFsOps(), roots_, tree_.root(),
                                [](const std::string& text) { ADD_FAILURE() << text; }};
  ManualExecutor executor_;
  StrictCatalog catalog_;
  std::unique_ptr<GatedDigester> digester_;
  std::optional<JobEnvironment> environment_;
  std::unique_ptr<JobManager> manager_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_RIG_H_
