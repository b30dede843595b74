// Which apply jobs are refused, and what is said.
#include "server/jobs/apply_check.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include <gtest/gtest.h>

#include "tests/unit/jobs/apply_job_rig.h"

namespace sluice {
namespace {

constexpr char kId[] = "01a208ec-d375-7000-bcb1-3c3c40554a01";
constexpr char kOtherId[] = "01a208ec-d375-7000-bcb1-3c3c40554a02";
constexpr char kHex[] = "00112233445566778899aabbccddeeff";

std::string Plan(const std::string& job) { return absl::StrCat("plans/", job, ".", kHex); }

// Fields that are wrong, with a space between them.
std::string WrongFields(const v1::ApplySpec& spec) {
  FieldViolations violations;
  CheckApplyFields(spec, violations);
  const absl::Status status = violations.ToStatus();
  google::rpc::BadRequest detail;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload) EXPECT_TRUE(detail.ParseFromString(std::string(*payload)));
  std::string fields;
  for (const auto& violation : detail.field_violations()) {
    absl::StrAppend(&fields, fields.empty() ? "" : " ", violation.field());
    EXPECT_FALSE(violation.description().empty());
  }
  return fields;
}

struct FieldCase {
  const char* wrong;
  std::function<void(v1::ApplySpec&)> change;
};

v1::ApplySpec GoodSpec() {
  v1::ApplySpec spec;
  spec.set_reconcile_job(absl::StrCat("jobs/", kId));
  return spec;
}

TEST(CheckApplyFields, EachViolationNamesItsField) {
  const std::vector<FieldCase> cases = {
      {"", [](v1::ApplySpec&) {}},
      {"spec.apply", [](v1::ApplySpec& spec) { spec.clear_reconcile_job(); }},
      {"spec.apply", [](v1::ApplySpec& spec) { spec.add_plans(Plan(kId)); }},
      {"spec.apply", [](v1::ApplySpec& spec) { spec.set_undo_of(absl::StrCat("jobs/", kId)); }},
      {"spec.apply.reconcile_job", [](v1::ApplySpec& spec) { spec.set_reconcile_job("jobs/x"); }},
      {"spec.apply.action",
       [](v1::ApplySpec& spec) { spec.set_action(static_cast<v1::Action>(99)); }},
      {"spec.apply.verify",
       [](v1::ApplySpec& spec) { spec.set_verify(static_cast<v1::ApplySpec::Verify>(99)); }},
      {"spec.apply.metadata",
       [](v1::ApplySpec& spec) {
         spec.set_metadata(static_cast<v1::ApplySpec::MetadataPolicy>(99));
       }},
      {"spec.apply.max_changes", [](v1::ApplySpec& spec) { spec.set_max_changes(0); }},
      {"", [](v1::ApplySpec& spec) { spec.set_max_changes(1); }},
      {"", [](v1::ApplySpec& spec) { spec.mutable_undo_window(); }},
      {"", [](v1::ApplySpec& spec) { spec.mutable_undo_window()->set_seconds(315'360'000); }},
      {"spec.apply.undo_window",
       [](v1::ApplySpec& spec) { spec.mutable_undo_window()->set_seconds(320'000'000); }},
      {"spec.apply.undo_window",
       [](v1::ApplySpec& spec) { spec.mutable_undo_window()->set_nanos(-1); }},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    v1::ApplySpec spec = GoodSpec();
    cases[i].change(spec);
    EXPECT_EQ(WrongFields(spec), cases[i].wrong) << "case " << i;
  }
}

TEST(CheckApplyFields, PlansAreOfOneJobAndNamedOnce) {
  v1::ApplySpec spec;
  spec.add_plans(Plan(kId));
  spec.add_plans(Plan(kId) + ".1");
  EXPECT_EQ(WrongFields(spec), "");
  spec.add_plans(Plan(kOtherId));
  spec.add_plans("plans/nonsense");
  spec.add_plans(Plan(kId));
  EXPECT_EQ(WrongFields(spec), "spec.apply.plans[2] spec.apply.plans[3] spec.apply.plans[4]");
  spec.clear_plans();
  for (int i = 0; i < 1000; ++i) spec.add_plans(absl::StrCat(Plan(kId), ".", i));
  EXPECT_EQ(WrongFields(spec), "");
  spec.add_plans(absl::StrCat(Plan(kId), ".", 1000));
  EXPECT_EQ(WrongFields(spec), "spec.apply.plans");
}

TEST(CheckApplyFields, AnUndoTakesWhatWasDoneAndNothingElse) {
  v1::ApplySpec spec;
  spec.set_undo_of(absl::StrCat("jobs/", kId));
  EXPECT_EQ(WrongFields(spec), "");
  spec.set_action(v1::ACTION_HARDLINK);
  spec.set_reconcile_etag("1");
  EXPECT_EQ(WrongFields(spec), "spec.apply.action spec.apply.reconcile_etag");
  spec.set_undo_of("jobs/..");
  EXPECT_EQ(WrongFields(spec).substr(0, 18), "spec.apply.undo_of");
}

using CheckApplyWorld = ApplyJobTest;

TEST_F(CheckApplyWorld, PlansComeFromAReconcileJobThatHasSucceeded) {
  WriteCopies(2);
  const auto scan = Run(rig_.ScanSpec());
  EXPECT_EQ(Refused(DryRunOf(absl::StrCat("jobs/", kId))), "NOT_FOUND NOT_FOUND");
  EXPECT_EQ(Refused(DryRunOf(NameOf(scan))), "FAILED_PRECONDITION JOB_OF_ANOTHER_KIND");
  v1::JobSpec spec;
  spec.mutable_reconcile()->add_scans(scan->Snapshot().scan());
  const auto waiting = Value(rig_.Start(spec, "", v1::PACING_PACED_BY_CONSUMER));
  EXPECT_EQ(Refused(DryRunOf(NameOf(waiting))), "FAILED_PRECONDITION RECONCILE_JOB_NOT_COMPLETE");
}

TEST_F(CheckApplyWorld, PlansAreThoseThatWereReviewed) {
  WriteCopies(2);
  const auto reconcile = Reconcile();
  v1::JobSpec spec = DryRunOf(NameOf(reconcile));
  spec.mutable_apply()->set_reconcile_etag(reconcile->Snapshot().etag());
  EXPECT_EQ(Refused(spec), "OK");
  spec.mutable_apply()->set_reconcile_etag("another");
  EXPECT_EQ(Refused(spec), "ABORTED PLANS_CHANGED");
  rig_.manager().Drain();  // Nothing needs the plans any more.
}

TEST_F(CheckApplyWorld, PlansThatAreNotKeptCannotBeCarriedOut) {
  WriteCopies(2);
  const auto reconcile = Reconcile();
  ASSERT_TRUE(Value(reconcile->ExpireEvents()));
  EXPECT_EQ(Refused(DryRunOf(NameOf(reconcile))), "FAILED_PRECONDITION PLANS_EXPIRED");
}

TEST_F(CheckApplyWorld, DigestsThatCanBeForgedAreNotTrusted) {
  WriteCopies(2);
  v1::JobSpec spec = DryRunOf(NameOf(Reconcile(v1::DIGEST_ALGORITHM_XXH3_128)));
  EXPECT_EQ(Refused(spec), "OK");
  spec.mutable_apply()->set_verify(v1::ApplySpec::VERIFY_DIGEST);
  EXPECT_EQ(Refused(spec), "FAILED_PRECONDITION DIGEST_NOT_CRYPTOGRAPHIC");
}

TEST_F(CheckApplyWorld, PlanThatDoesNotExistIsNamed) {
  WriteCopies(2);
  const auto reconcile = Reconcile();
  v1::JobSpec spec;
  spec.mutable_apply()->add_plans(rig_.Follow(reconcile).front().plan().name());
  EXPECT_EQ(Refused(spec), "OK");
  spec.mutable_apply()->add_plans(Plan(reconcile->id()));
  const absl::Status missing = rig_.Start(spec).status();
  EXPECT_EQ(ReasonOf(missing), "NOT_FOUND NOT_FOUND");
  EXPECT_NE(std::string(missing.message()).find(Plan(reconcile->id())), std::string::npos);
  spec.mutable_apply()->clear_plans();
  spec.mutable_apply()->add_plans(Plan(kId));
  EXPECT_EQ(Refused(spec), "NOT_FOUND NOT_FOUND");
}

TEST_F(CheckApplyWorld, OnlyWhatHasChangedSomethingLatelyIsUndone) {
  WriteCopies(2);
  const auto reconcile = Reconcile();
  const std::string name = NameOf(reconcile);
  EXPECT_EQ(Refused(UndoOf(absl::StrCat("jobs/", kId))), "NOT_FOUND NOT_FOUND");
  EXPECT_EQ(Refused(UndoOf(name)), "FAILED_PRECONDITION JOB_OF_ANOTHER_KIND");
  EXPECT_EQ(Refused(UndoOf(NameOf(Run(DryRunOf(name))))), "FAILED_PRECONDITION UNDO_OF_DRY_RUN");
  const auto passed = Run(WithWindow(ApplyOf(name), 0));
  EXPECT_EQ(passed->Snapshot().counters().changes(), 1U);
  EXPECT_EQ(Refused(UndoOf(NameOf(passed))), "FAILED_PRECONDITION UNDO_WINDOW_CLOSED");
  const auto idle = Run(ApplyOf(name));
  EXPECT_EQ(Refused(UndoOf(NameOf(idle))), "FAILED_PRECONDITION NOTHING_TO_UNDO");
}

TEST_F(CheckApplyWorld, AJobIsUndoneWhenItHasEnded) {
  WriteCopies(20);
  v1::JobSpec spec = ApplyOf(NameOf(Reconcile()));
  spec.set_window(4);
  const auto running = Value(rig_.Start(spec, "", v1::PACING_PACED_BY_CONSUMER));
  JobRig::AwaitState(*running, v1::JOB_STATE_WAITING);
  EXPECT_EQ(Refused(UndoOf(NameOf(running))), "FAILED_PRECONDITION APPLY_JOB_NOT_ENDED");
}

// Whether it is queued, runs, waits or is paused.
TEST_F(CheckApplyWorld, AJobIsUndoneByOneJobAtATime) {
  constexpr char kRequest[] = "9f0f8a0e-5f4b-4d0c-9a39-0f6c0b8f7a11";
  WriteCopies(20);
  const std::string applied = NameOf(Run(ApplyOf(NameOf(Reconcile()))));
  v1::JobSpec undo = UndoOf(applied);
  undo.set_window(4);
  const auto first = Value(rig_.Start(undo, kRequest, v1::PACING_PACED_BY_CONSUMER));
  EXPECT_EQ(Refused(UndoOf(applied)), "FAILED_PRECONDITION ALREADY_BEING_UNDONE");
  JobRig::AwaitState(*first, v1::JOB_STATE_WAITING);
  const absl::Status refused = rig_.Start(UndoOf(applied)).status();
  EXPECT_EQ(ReasonOf(refused), "FAILED_PRECONDITION ALREADY_BEING_UNDONE");
  EXPECT_NE(std::string(refused.message()).find(NameOf(first)), std::string::npos);
  EXPECT_EQ(InfoOf(refused).metadata().at("job"), NameOf(first));
  EXPECT_EQ(ReasonOf(rig_.manager().CheckBeside(UndoOf(applied))), ReasonOf(refused));
  ASSERT_TRUE(rig_.manager().Pause(NameOf(first)).ok());
  JobRig::AwaitState(*first, v1::JOB_STATE_PAUSED);
  EXPECT_EQ(Refused(UndoOf(applied)), "FAILED_PRECONDITION ALREADY_BEING_UNDONE");
  // The same request is the same job; to look is allowed.
  EXPECT_EQ(Value(rig_.Start(undo, kRequest, v1::PACING_PACED_BY_CONSUMER)), first);
  undo.mutable_apply()->set_dry_run(true);
  EXPECT_EQ(Refused(undo), "OK");
  ASSERT_TRUE(rig_.manager().Cancel(NameOf(first)).ok());
  EXPECT_EQ(Refused(UndoOf(applied)), "OK");
}

TEST_F(CheckApplyWorld, OfUndosStartedAtOnceOneIsTaken) {
  WriteCopies(20);
  v1::JobSpec undo = UndoOf(NameOf(Run(ApplyOf(NameOf(Reconcile())))));
  undo.set_window(4);
  std::atomic<int> started = 0;
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      if (rig_.Start(undo, "", v1::PACING_PACED_BY_CONSUMER).ok()) ++started;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(started, 1);
}

TEST_F(CheckApplyWorld, AnUndoIsNotUndone) {
  WriteCopies(2);
  const auto applied = Run(ApplyOf(NameOf(Reconcile())));
  const auto undo = Run(UndoOf(NameOf(applied)));
  EXPECT_EQ(Refused(UndoOf(NameOf(undo))), "FAILED_PRECONDITION UNDO_OF_UNDO");
}

}  // namespace
}  // namespace sluice
