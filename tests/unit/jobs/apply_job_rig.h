#ifndef SLUICE_TESTS_UNIT_JOBS_APPLY_JOB_RIG_H_
#define SLUICE_TESTS_UNIT_JOBS_APPLY_JOB_RIG_H_

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include <gtest/gtest.h>

#include "tests/unit/jobs/job_rig.h"

namespace sluice {

// Reconcile jobs, and what is applied of their plans.
class ApplyJobTest : public testing::Test {
 protected:
  // As many files of one content, which are no links of each other.
  void WriteCopies(int count, const std::string& group = "f") {
    for (int i = 0; i < count; ++i) {
      rig_.tree().Write(absl::StrCat(group, i), absl::StrCat("the content of ", group));
    }
  }

  std::shared_ptr<Job> Run(v1::JobSpec spec) {
    auto job = Value(rig_.Start(std::move(spec)));
    rig_.Follow(job);
    return job;
  }
  // A reconcile job of all that is in the tree.
  std::shared_ptr<Job> Reconcile(v1::DigestAlgorithm algorithm = v1::DIGEST_ALGORITHM_UNSPECIFIED) {
    v1::JobSpec spec;
    spec.mutable_reconcile()->add_scans(Run(rig_.ScanSpec())->Snapshot().scan());
    spec.mutable_reconcile()->set_digest_algorithm(algorithm);
    return Run(std::move(spec));
  }

  static std::string NameOf(const std::shared_ptr<Job>& job) { return "jobs/" + job->id(); }
  static v1::JobSpec DryRunOf(const std::string& reconcile_job) {
    v1::JobSpec spec;
    spec.mutable_apply()->set_reconcile_job(reconcile_job);
    spec.mutable_apply()->set_metadata(v1::ApplySpec::METADATA_POLICY_TAKE_SOURCE);
    // Wherever the tests run.
    spec.mutable_apply()->set_allow_unleased(true);
    return spec;
  }
  // Really done.
  static v1::JobSpec ApplyOf(const std::string& reconcile_job,
                             v1::Action action = v1::ACTION_HARDLINK) {
    v1::JobSpec spec = DryRunOf(reconcile_job);
    spec.mutable_apply()->set_dry_run(false);
    spec.mutable_apply()->set_action(action);
    return spec;
  }
  static v1::JobSpec UndoOf(const std::string& apply_job) {
    v1::JobSpec spec;
    spec.mutable_apply()->set_undo_of(apply_job);
    spec.mutable_apply()->set_dry_run(false);
    spec.mutable_apply()->set_allow_unleased(true);
    return spec;
  }
  static v1::JobSpec WithWindow(v1::JobSpec spec, std::int64_t ns) {
    *spec.mutable_apply()->mutable_undo_window() = ToDuration(ns);
    return spec;
  }

  static std::vector<v1::ApplyOutcome> OutcomesOf(const std::vector<v1::JobEvent>& events) {
    std::vector<v1::ApplyOutcome> outcomes;
    for (const v1::JobEvent& event : events) {
      if (event.has_outcome()) outcomes.push_back(event.outcome());
    }
    return outcomes;
  }
  // How many have each result.
  static std::map<v1::ApplyOutcome::Result, int> ResultsOf(
      const std::vector<v1::ApplyOutcome>& outcomes) {
    std::map<v1::ApplyOutcome::Result, int> results;
    for (const v1::ApplyOutcome& outcome : outcomes) ++results[outcome.result()];
    return results;
  }

  static google::rpc::ErrorInfo InfoOf(const absl::Status& status) {
    google::rpc::ErrorInfo info;
    const auto payload = status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
    if (payload) EXPECT_TRUE(info.ParseFromString(std::string(*payload)));
    return info;
  }
  // "CODE REASON"; "OK".
  static std::string ReasonOf(const absl::Status& status) {
    if (status.ok()) return "OK";
    return absl::StrCat(absl::StatusCodeToString(status.code()), " ", InfoOf(status).reason());
  }
  std::string Refused(v1::JobSpec spec) { return ReasonOf(rig_.Start(std::move(spec)).status()); }

  std::uint64_t InodeOf(const std::string& name) const { return rig_.tree().Stat(name).inode; }

  JobRig rig_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_APPLY_JOB_RIG_H_
