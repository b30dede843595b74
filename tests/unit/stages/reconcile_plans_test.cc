// What the plans of Reconcile say, which there are, and in which order they come.
#include <cstdint>
#include <optional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/glob.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ReconcilePlans, NamesOfOneInodeAreNoDuplicates) {
  ReconcileRig rig;
  rig.disk.AddFile("/a", "content");
  rig.disk.AddLink("/b", "/a");
  rig.disk.AddFile("/c", "CONTENT");
  EXPECT_THAT(rig.ScanAndRun().plans, IsEmpty());
}

TEST(ReconcilePlans, NamesOfOneInodeFollowEachOtherAndSayWhomTheyShareWith) {
  ReconcileRig rig;
  rig.disk.AddFile("/m", "content");
  rig.disk.AddFile("/b", "content");
  rig.disk.AddLink("/z", "/m");
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  const Plan& plan = result.plans[0];
  EXPECT_THAT(PathsOf(plan), ElementsAre("/m", "/z", "/b"));
  EXPECT_EQ(plan.copies[0].shares_storage_with, std::nullopt);
  EXPECT_EQ(plan.copies[1].shares_storage_with, "/m");
  EXPECT_EQ(plan.copies[2].shares_storage_with, std::nullopt);
}

TEST(ReconcilePlans, SayWhatIsNeededToCheckThemAgain) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 2, "content");
  const Plan plan = rig.ScanAndRun().plans.at(0);
  const Digest digest = FakeDisk::DigestOf("content", DigestAlgorithm::kSha256);
  EXPECT_EQ(plan.digest, digest);
  EXPECT_EQ(plan.size, 7u);
  EXPECT_EQ(plan.copies[1].file,
            (FileEntry{.path = "/a1", .stat = rig.disk.stat("/a1"), .digest = digest}));
  EXPECT_EQ(plan.source_of_truth, plan.copies[0].file);
  EXPECT_EQ(plan.reason, "path order: first in byte order");
  EXPECT_EQ(plan.total_copies, 2u);
}

// Recoverable bytes of the only plan, with an action.
std::uint64_t Recoverable(ReconcileRig& rig, Action action) {
  rig.options.action = action;
  const Plan plan = rig.Run().plans.at(0);
  EXPECT_EQ(plan.recoverable_bytes, plan.total_recoverable_bytes);
  return plan.recoverable_bytes;
}

TEST(RecoverableBytes, AreTheStorageOfAllInodesButTheSource) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 3, "content");
  rig.disk.stat("/a0").allocated_bytes = 1'000;
  rig.disk.stat("/a1").allocated_bytes = 4'096;
  rig.disk.stat("/a2").allocated_bytes = 8'192;
  rig.Scan();
  EXPECT_EQ(Recoverable(rig, Action::kHardlink), 12'288u);
  EXPECT_EQ(rig.counters.plan.items, 1u);
  EXPECT_EQ(rig.counters.plan.bytes, 12'288u);
}

TEST(RecoverableBytes, AreNoneOfAnInodeWithALinkOutsideOfThePlan) {
  ReconcileRig rig;
  rig.options.keep = {{.criterion = KeepRule::Criterion::kPathOrder, .glob = {}, .pattern = {}}};
  AddCopies(rig.disk, "a", 2, "content");
  ++rig.disk.stat("/a1").link_count;
  rig.Scan();
  for (const Action action :
       {Action::kHardlink, Action::kReflink, Action::kSymlink, Action::kRemove}) {
    EXPECT_EQ(Recoverable(rig, action), 0u);
  }
}

TEST(RecoverableBytes, AreNoneOfAProtectedInode) {
  ReconcileRig rig;
  rig.options.protect = *GlobSet::Compile({"/keep"});
  AddCopies(rig.disk, "a", 2, "content");
  rig.disk.AddLink("/keep/x", "/a1");
  rig.options.keep = {{.criterion = KeepRule::Criterion::kPathOrder, .glob = {}, .pattern = {}}};
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_EQ(result.plans[0].recoverable_bytes, 0u);
  EXPECT_TRUE(result.plans[0].copies[2].is_protected);
  EXPECT_FALSE(result.plans[0].copies[1].is_protected);
}

TEST(RecoverableBytes, OfLinksAreThoseOnTheDeviceOfTheSource) {
  ReconcileRig rig;
  rig.disk.AddFile("/a", "content", 1);
  rig.disk.AddFile("/b", "content", 1);
  rig.disk.AddFile("/c", "content", 2);
  rig.Scan();
  EXPECT_EQ(Recoverable(rig, Action::kHardlink), 7u);
  EXPECT_EQ(Recoverable(rig, Action::kReflink), 7u);
  EXPECT_EQ(Recoverable(rig, Action::kSymlink), 14u);
  EXPECT_EQ(Recoverable(rig, Action::kRemove), 14u);
}

TEST(ReconcileOptions, MinCopiesCountsInodes) {
  ReconcileRig rig;
  rig.options.min_copies = 3;
  AddCopies(rig.disk, "two", 2, "content");
  rig.disk.AddLink("/third_name", "/two0");
  AddCopies(rig.disk, "three", 3, "another");
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_THAT(PathsOf(result.plans[0]), ElementsAre("/three0", "/three1", "/three2"));
}

TEST(ReconcileOptions, AcrossDevicesOnlyLeavesOutGroupsOnOneDevice) {
  ReconcileRig rig;
  rig.options.across_devices_only = true;
  AddCopies(rig.disk, "one", 2, "content");
  rig.disk.AddFile("/x", "another", 1);
  rig.disk.AddFile("/y", "another", 2);
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_THAT(PathsOf(result.plans[0]), ElementsAre("/x", "/y"));
}

TEST(ReconcileOrder, ByPotentialIsThatOfTheCandidates) {
  ReconcileRig rig;
  AddClassesOfTwo(rig.disk, {10, 30, 20});
  rig.disk.stat("/10_1").allocated_bytes = 1'000;
  std::vector<std::uint64_t> sizes;
  for (const Plan& plan : rig.ScanAndRun().plans) sizes.push_back(plan.size);
  EXPECT_THAT(sizes, ElementsAre(30, 20, 10));
}

TEST(ReconcileOrder, LargestFirstIsByWhatEachPlanGivesBack) {
  ReconcileRig rig;
  rig.options.order = ReconcileOptions::Order::kLargestFirst;
  AddClassesOfTwo(rig.disk, {10, 30, 20});
  rig.disk.stat("/10_1").allocated_bytes = 1'000;
  std::vector<std::uint64_t> sizes;
  for (const Plan& plan : rig.ScanAndRun().plans) {
    sizes.push_back(plan.size);
  }
  EXPECT_THAT(sizes, ElementsAre(10, 30, 20));
  EXPECT_EQ(rig.counters.plan.items, 3u);
}

}  // namespace
}  // namespace sluice
