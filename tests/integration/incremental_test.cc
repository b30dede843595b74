// Jobs that go on from what an earlier one has found out.
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include <gtest/gtest.h>

#include "pipeline/async/status_error.h"
#include "tests/integration/server_rig.h"

namespace sluice {
namespace {

struct Followed {
  v1::Job job;
  v1::JobCounters counters;
  std::map<std::string, std::string> digests;  // By path.
  int plans = 0;
};

Followed Follow(ServerRig& rig, const v1::RunJobRequest& request) {
  auto stream = rig.client().Run(request);
  const std::vector<v1::EventBatch> batches = PullAll(stream);
  Followed run{.job = batches.front().job(), .counters = batches.back().end().summary().counters()};
  for (const v1::JobEvent& event : EventsOf(batches)) {
    if (event.has_file()) run.digests[event.file().path()] = event.file().digest();
    run.plans += event.has_plan() ? 1 : 0;
  }
  return run;
}

absl::StatusCode CodeOf(ServerRig& rig, const v1::RunJobRequest& request) {
  try {
    Follow(rig, request);
  } catch (const StatusError& error) {
    return error.status().code();
  }
  return absl::StatusCode::kOk;
}

v1::RunJobRequest ReconcileRequest(const std::string& scan, const std::string& base = "") {
  v1::RunJobRequest request;
  request.mutable_spec()->mutable_reconcile()->add_scans(scan);
  request.mutable_spec()->mutable_reconcile()->set_base_job(base);
  return request;
}

v1::RunJobRequest ScanOnBase(const ServerRig& rig, v1::DigestPolicy policy,
                             const std::string& base) {
  v1::RunJobRequest request = rig.ScanRequest(policy);
  request.mutable_spec()->mutable_scan()->set_base_scan(base);
  return request;
}

// Until what was written now is older than the 2 seconds within which nothing is trusted.
void LetFilesAge() { std::this_thread::sleep_for(std::chrono::milliseconds(2100)); }

class Incremental : public testing::TestWithParam<v1::DigestPolicy> {};

TEST_P(Incremental, AScanReadsOnlyWhatHasChangedSinceItsBase) {
  ServerRig rig;
  rig.WriteFiles(100);  // Pairs.
  LetFilesAge();
  const Followed first = Follow(rig, rig.ScanRequest(GetParam()));
  EXPECT_GT(first.counters.bytes_read(), 0U);

  constexpr std::string_view kChanged = "content X";  // As long as those of files 0 to 19.
  rig.tree().Write("d0/f0", std::string(kChanged));
  const Followed second = Follow(rig, ScanOnBase(rig, GetParam(), first.job.scan()));
  EXPECT_EQ(second.counters.bytes_read(), kChanged.size());
  std::map<std::string, std::string> expected = first.digests;
  const std::string changed = rig.tree().root() + "/d0/f0";
  EXPECT_NE(second.digests.at(changed), first.digests.at(changed));
  expected[changed] = second.digests.at(changed);
  EXPECT_EQ(second.digests, expected);
}

INSTANTIATE_TEST_SUITE_P(Policies, Incremental,
                         testing::Values(v1::DIGEST_POLICY_ALL, v1::DIGEST_POLICY_CANDIDATES),
                         [](const auto& policy) { return v1::DigestPolicy_Name(policy.param); });

TEST(IncrementalReconcile, ReadsOnlyWhatHasChangedSinceItsBase) {
  ServerRig rig;
  rig.WriteFiles(100);  // Pairs.
  LetFilesAge();
  const Followed first = Follow(rig, ReconcileRequest(Follow(rig, rig.ScanRequest()).job.scan()));
  EXPECT_EQ(first.plans, 50);

  constexpr std::string_view kChanged = "content X";
  rig.tree().Write("d0/f0", std::string(kChanged));
  const std::string scan = Follow(rig, rig.ScanRequest()).job.scan();
  const Followed second = Follow(rig, ReconcileRequest(scan, first.job.name()));
  EXPECT_EQ(second.plans, 49);
  EXPECT_EQ(second.counters.bytes_read(), kChanged.size());
}

TEST(IncrementalReconcile, WhatWasWrittenWhenItWasReadIsReadAgain) {
  ServerRig rig;
  rig.WriteFiles(100);
  const auto later = std::filesystem::file_time_type::clock::now() + std::chrono::hours(1);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(rig.tree().root())) {
    if (entry.is_regular_file()) std::filesystem::last_write_time(entry.path(), later);
  }
  const std::string scan = Follow(rig, rig.ScanRequest()).job.scan();
  const Followed first = Follow(rig, ReconcileRequest(scan));
  const Followed second = Follow(rig, ReconcileRequest(scan, first.job.name()));
  EXPECT_EQ(second.counters.bytes_read(), first.counters.bytes_read());
}

TEST(IncrementalReconcile, RefusesWhatIsNoBase) {
  ServerRig rig;
  rig.WriteFiles(2);
  const Followed scan = Follow(rig, rig.ScanRequest());
  const std::string name = scan.job.scan();
  EXPECT_EQ(CodeOf(rig, ReconcileRequest(name, "x")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(rig, ReconcileRequest(name, scan.job.name())),
            absl::StatusCode::kFailedPrecondition);
  std::string unknown = scan.job.name();
  unknown.back() = unknown.back() == '0' ? '1' : '0';
  EXPECT_EQ(CodeOf(rig, ReconcileRequest(name, unknown)), absl::StatusCode::kNotFound);
}

TEST(IncrementalScan, RefusesWhatIsNoBase) {
  ServerRig rig;
  rig.WriteFiles(2);
  const std::string base = Follow(rig, rig.ScanRequest()).job.scan();
  EXPECT_EQ(CodeOf(rig, ScanOnBase(rig, v1::DIGEST_POLICY_NONE, base)),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(rig, ScanOnBase(rig, v1::DIGEST_POLICY_ALL, "x")),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(rig, ScanOnBase(rig, v1::DIGEST_POLICY_ALL, base)),  // It has no digests.
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace sluice
