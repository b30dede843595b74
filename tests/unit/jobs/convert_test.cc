// Plans and outcomes as messages, and back.

#include "server/jobs/convert.h"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include <gtest/gtest.h>

#include "server/jobs/convert_outcome.h"
#include "server/jobs/convert_plan.h"

namespace sluice {
namespace {

constexpr char kJobId[] = "01a208ec-d375-7000-bcb1-3c3c40554a01";
constexpr char kHex[] = "00112233445566778899aabbccddeeff";

const PlanNames kNames{.job_id = kJobId, .scans = {"scans/s"}, .host = "h"};

FileEntry File(std::string path, std::uint64_t inode) {
  FileEntry file{.path = std::move(path)};
  file.stat = {.size = 7,
               .allocated_bytes = 4096,
               .modify_time_ns = -1,
               .change_time_ns = 1'700'000'000'123'456'789,
               .device = 5,
               .inode = inode,
               .link_count = 2,
               .mode = 0640,
               .uid = 1,
               .gid = 2};
  return file;
}

Plan SomePlan() {
  Plan plan{.digest = {.algorithm = DigestAlgorithm::kBlake2b256, .bytes = {1, 2, 3}},
            .within_scan = 3,
            .size = 7,
            .copies = {{.file = File("/a\xff", 1)},
                       {.file = File("/b", 1), .shares_storage_with = "/a\xff"},
                       {.file = File("/c", 2), .is_protected = true}},
            .source_of_truth = File("/a\xff", 1),
            .deciding_criterion = KeepRule::Criterion::kPathGlob,
            .deciding_pattern = "/a*",
            .reason = "why",
            .action = Action::kRemove,
            .recoverable_bytes = 4096,
            .part = 2,
            .last_part = false,
            .total_copies = 9,
            .total_recoverable_bytes = 8192};
  plan.copies[2].file.digest = plan.digest;
  return plan;
}

v1::ReconciliationPlan MessageOf(const Plan& plan) {
  v1::ReconciliationPlan message;
  EXPECT_TRUE(message.ParseFromString(PlanBytes(plan, kNames)));
  return message;
}

TEST(PlanBytes, AreWhatProtobufSerializes) {
  const Plan whole = SomePlan();
  const Plan empty{.digest = {}, .copies = {{.file = {.path = "/"}}}};
  for (const Plan& plan : {whole, empty}) {
    EXPECT_EQ(PlanBytes(plan, kNames), MessageOf(plan).SerializeAsString());
  }
}

TEST(PlanBytes, HoldAllThatThePlanSays) {
  const v1::ReconciliationPlan message = MessageOf(SomePlan());
  EXPECT_EQ(message.name(), absl::StrCat("plans/", kJobId, ".01020300000000000000000000000000.3"));
  EXPECT_EQ(message.digest(), DigestText(SomePlan().digest));
  EXPECT_EQ(message.size(), 7U);
  ASSERT_EQ(message.copies_size(), 3);
  EXPECT_EQ(message.copies(0).file().path(), "/a\\xff");
  EXPECT_EQ(message.copies(0).file().raw_path(), "/a\xff");
  EXPECT_EQ(message.copies(1).shares_storage_with(), "/a\\xff");
  for (const v1::Copy& copy : message.copies()) {
    EXPECT_EQ(copy.scan(), "scans/s");
    EXPECT_EQ(copy.host(), "h");
    EXPECT_EQ(copy.protected_(), copy.file().path() == "/c");
  }
  EXPECT_EQ(message.copies(2).file().digest(), message.digest());
  EXPECT_EQ(message.source_of_truth().raw_path(), "/a\xff");
  EXPECT_EQ(message.reason(), "why");
  EXPECT_EQ(message.deciding_rule().criterion(), v1::KeepRule::CRITERION_PATH_GLOB);
  EXPECT_EQ(message.deciding_rule().pattern(), "/a*");
  EXPECT_EQ(message.action(), v1::ACTION_REMOVE);
  EXPECT_EQ(message.recoverable_bytes(), 4096U);
  EXPECT_EQ(message.part(), 2U);
  EXPECT_FALSE(message.last_part());
  EXPECT_EQ(message.total_copies(), 9U);
  EXPECT_EQ(message.total_recoverable_bytes(), 8192U);
}

TEST(PlanFromProto, IsThePlanThatTheMessageWasMadeOf) {
  const v1::ReconciliationPlan message = MessageOf(SomePlan());
  const std::optional<Plan> plan = FromProto(message);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->within_scan, 3U);
  EXPECT_EQ(plan->copies[0].file, SomePlan().copies[0].file);
  EXPECT_EQ(plan->copies[1].shares_storage_with, "/a\xff");
  EXPECT_EQ(plan->source_of_truth, SomePlan().source_of_truth);
  EXPECT_EQ(PlanBytes(*plan, kNames), PlanBytes(SomePlan(), kNames));
}

TEST(PlanFromProto, RefusesWhatCannotHaveBeenAPlan) {
  const v1::ReconciliationPlan good = MessageOf(SomePlan());
  std::vector<v1::ReconciliationPlan> bad(4, good);
  bad[0].set_digest("sha256:12");
  bad[1].set_action(static_cast<v1::Action>(99));
  bad[2].mutable_copies(0)->mutable_file()->set_digest("md5:12");
  bad[3].clear_source_of_truth();
  for (const v1::ReconciliationPlan& plan : bad) EXPECT_FALSE(FromProto(plan));
}

TEST(JobIdOfPlan, TakesTheNamesThatPlansHaveAndNoOthers) {
  for (const auto& name :
       {absl::StrCat("plans/", kJobId, ".", kHex), absl::StrCat("plans/", kJobId, ".", kHex, ".0"),
        absl::StrCat("plans/", kJobId, ".", kHex, ".12")}) {
    EXPECT_EQ(JobIdOfPlan(name), kJobId) << name;
  }
  const v1::ReconciliationPlan message = MessageOf(SomePlan());
  EXPECT_EQ(JobIdOfPlan(message.name()), kJobId);
  for (const auto& name :
       {std::string(), std::string("plans/"), absl::StrCat("plans/", kJobId),
        absl::StrCat("plans/", kJobId, ".", std::string(kHex).substr(1)),
        absl::StrCat("plans/", kJobId, ".", kHex, "."),
        absl::StrCat("plans/", kJobId, ".", kHex, ".01"),
        absl::StrCat("plans/", kJobId, ".", kHex, ".-1"), absl::StrCat("jobs/", kJobId, ".", kHex),
        absl::StrCat("plans/nobody.", kHex)}) {
    EXPECT_EQ(JobIdOfPlan(name), std::nullopt) << name;
  }
}

TEST(NameOfPlan, IsReadFromTheBytes) {
  const v1::ReconciliationPlan message = MessageOf(SomePlan());
  EXPECT_EQ(NameOfPlan(DeterministicBytes(message)), message.name());
  EXPECT_EQ(NameOfPlan(""), "");
  EXPECT_EQ(NameOfPlan("\x0a\x7fshort"), "");
}

ApplyOutcome Skipped(SkipReason reason) {
  return {.plan = "plans/p",
          .path = "/a\n",
          .action = Action::kSymlink,
          .result = ApplyOutcome::Result::kSkipped,
          .skip_reason = reason,
          .metadata_changes = {MetadataField::kGroup, MetadataField::kXattrs},
          .kept_path = "/k\n"};
}

TEST(OutcomeToProto, SaysWhatWasDecided) {
  v1::ApplyOutcome message;
  ToProto(Skipped(SkipReason::kMetadataDiffers), message);
  EXPECT_EQ(message.plan(), "plans/p");
  EXPECT_EQ(message.path(), "/a\\x0a");
  EXPECT_EQ(message.raw_path(), "/a\n");
  EXPECT_EQ(message.kept_path(), "/k\\x0a");
  EXPECT_EQ(message.action(), v1::ACTION_SYMLINK);
  EXPECT_EQ(message.result(), v1::ApplyOutcome::RESULT_SKIPPED);
  EXPECT_EQ(message.skip_reason(), v1::ApplyOutcome::SKIP_REASON_METADATA_DIFFERS);
  ASSERT_EQ(message.metadata_changes_size(), 2);
  EXPECT_EQ(message.metadata_changes(1), v1::ApplyOutcome::METADATA_XATTRS);
  EXPECT_FALSE(message.has_error());
}

TEST(OutcomeToProto, EveryReasonHasItsOwn) {
  for (int number = v1::ApplyOutcome::SkipReason_MIN + 1;
       number <= v1::ApplyOutcome::SkipReason_MAX; ++number) {
    v1::ApplyOutcome message;
    ToProto(Skipped(static_cast<SkipReason>(number - 1)), message);
    EXPECT_EQ(message.skip_reason(), number);
  }
}

TEST(OutcomeToProto, FailureIsAnItemErrorsStatusWithWhatWasDone) {
  ApplyOutcome outcome{.path = "/f", .result = ApplyOutcome::Result::kFailed};
  outcome.failure = MakeItemError("/f", "link", EIO);
  v1::ApplyOutcome message;
  ToProto(outcome, message);
  EXPECT_EQ(message.result(), v1::ApplyOutcome::RESULT_FAILED);
  EXPECT_EQ(message.error().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(message.error().message(), "link: " + outcome.failure->message);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(message.error().details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "ITEM_IO_ERROR");
  EXPECT_EQ(info.metadata().at("errno"), absl::StrCat(EIO));
}

}  // namespace
}  // namespace sluice
