// What was applied can be undone.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/unit/stages/apply/apply_rig.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using Result = ApplyOutcome::Result;

// Nothing that a file system could compress, or keep without blocks.
std::string Noise(std::size_t size) {
  std::string noise(size, '\0');
  std::uint32_t state = 1;
  for (char& byte : noise) {
    state = (state * 1'664'525) + 1'013'904'223;
    byte = static_cast<char>(state >> 24);
  }
  return noise;
}

// Where the file system has no reflinks there is nothing to undo.
TEST(Undo, GivesAReflinkStorageOfItsOwn) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, Noise(1 << 20));
  const auto applied = rig.Apply(ApplyRig::Executing(Action::kReflink)).outcomes;
  if (applied[0].skip_reason == SkipReason::kUnsupported) {
    EXPECT_TRUE(rig.Undo().outcomes.empty());
    return;
  }
  EXPECT_EQ(applied[0].result, Result::kApplied);
  EXPECT_EQ(applied[0].recovered_bytes, 1 << 20);
  EXPECT_EQ(rig.Undo().outcomes[0].result, Result::kApplied);
  UniqueFd restored(::open(rig.Path("b").c_str(), O_RDONLY | O_CLOEXEC));
  std::uint64_t exclusive = 0;
  EXPECT_EQ(SystemFsOps().ExclusiveBytes(restored.get(), &exclusive), 0);
  EXPECT_EQ(exclusive, 1 << 20);
}

class UndoOfEachAction : public ::testing::TestWithParam<Action> {};

TEST_P(UndoOfEachAction, RestoresContentAndMetadataInFilesOfTheirOwn) {
  ApplyRig rig;
  rig.MakeGroup({"a", "d/b"}, "content");
  ::chmod(rig.Path("d/b").c_str(), 0600);
  rig.plans() = {};
  rig.AddPlan(rig.PlanOf({"a", "d/b"}));
  const FileStat before = rig.tree().Stat("d/b");
  ApplyOptions options = ApplyRig::Executing(GetParam());
  options.metadata = MetadataPolicy::kTakeSource;
  ASSERT_EQ(rig.Apply(options).outcomes[0].result, Result::kApplied);

  const auto undone = rig.Undo().outcomes;
  ASSERT_EQ(undone.size(), 1);
  EXPECT_EQ(undone[0].result, Result::kApplied) << undone[0].path;
  EXPECT_TRUE(undone[0].undo);
  const FileStat after = rig.tree().Stat("d/b");
  EXPECT_EQ(rig.Contents()["d/b"], "content");
  EXPECT_EQ(after.type, FileType::kRegular);
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.modify_time_ns, before.modify_time_ns);
  EXPECT_EQ(after.link_count, 1);
  EXPECT_NE(after.inode, rig.tree().Stat("a").inode);
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

TEST_P(UndoOfEachAction, WorksWhereDevicesHaveOtherNumbersSince) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  ASSERT_EQ(rig.Apply(ApplyRig::Executing(GetParam())).outcomes[0].result, Result::kApplied);
  ApplyRig::RenumberDevices(rig.journal());
  EXPECT_EQ(rig.Undo().outcomes[0].result, Result::kApplied);
  EXPECT_EQ(rig.tree().Stat("b").type, FileType::kRegular);
  EXPECT_EQ(rig.tree().Stat("b").link_count, 1);
}

INSTANTIATE_TEST_SUITE_P(Actions, UndoOfEachAction,
                         ::testing::Values(Action::kHardlink, Action::kSymlink, Action::kRemove));

TEST(Undo, LeavesAPathAloneThatSomethingElseHasTaken) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b", "c"}, "content");
  rig.Apply(ApplyRig::Executing(Action::kHardlink));
  rig.tree().Remove("b");
  rig.tree().Write("b", "newer");
  const auto undone = rig.Undo().outcomes;
  EXPECT_EQ(undone[0].skip_reason, SkipReason::kChanged);
  EXPECT_EQ(undone[1].result, Result::kApplied);
  EXPECT_EQ(rig.Contents()["b"], "newer");
}

TEST(Undo, DoesNotPutARemovedFileOverANewOne) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  rig.Apply(ApplyRig::Executing(Action::kRemove));
  rig.tree().Write("b", "newer");
  EXPECT_EQ(rig.Undo().outcomes[0].skip_reason, SkipReason::kPathTaken);
  EXPECT_EQ(rig.Contents()["b"], "newer");
}

TEST(Undo, SaysSoWhereTheSharedContentHasChanged) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  rig.Apply(ApplyRig::Executing(Action::kHardlink));
  std::ofstream(rig.Path("a")) << "CONTENT";
  EXPECT_EQ(rig.Undo().outcomes[0].skip_reason, SkipReason::kContentDiffers);
  EXPECT_EQ(rig.tree().Stat("b").inode, rig.tree().Stat("a").inode);
}

TEST(Undo, InADryRunChangesNothing) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  rig.Apply(ApplyRig::Executing(Action::kHardlink));
  EXPECT_EQ(rig.Undo({}).outcomes[0].result, Result::kWouldApply);
  EXPECT_EQ(rig.tree().Stat("b").inode, rig.tree().Stat("a").inode);
}

}  // namespace
}  // namespace sluice
