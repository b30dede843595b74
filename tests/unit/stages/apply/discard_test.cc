// What was kept for an undo is deleted once it is not needed, and not forgotten before.
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/unit/stages/apply/apply_rig.h"
#include "tests/unit/stages/apply/hooked_fs_ops.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

class Discard : public testing::Test {
 protected:
  // Two files are kept.
  Discard() {
    rig_.MakeGroup({"a", "b", "c"}, "content");
    rig_.Apply(ApplyRig::Executing(Action::kRemove));
    EXPECT_EQ(rig_.CountPrivate(), 2);
  }
  // What the journal is about is on another device than what is there now.
  void Unmount() {
    rig_.tree().Rename(".sluice", "unmounted");
    ApplyRig::RenumberDevices(rig_.journal());
  }

  ApplyRig rig_;
};

TEST_F(Discard, DeletesWhatWasKeptAndIsIdempotent) {
  EXPECT_EQ(rig_.Discard(), absl::OkStatus());
  EXPECT_FALSE(rig_.HasPrivateDirectory());
  EXPECT_EQ(rig_.Discard(), absl::OkStatus());
}

TEST_F(Discard, FailsWhileTheFileSystemIsNotMountedAndSaysWhichOne) {
  Unmount();
  const absl::Status status = rig_.Discard();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(rig_.Path(".sluice")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("not mounted"));
}

// Whatever its number is by now.
TEST_F(Discard, GoesOnWhenTheFileSystemIsMountedAgain) {
  Unmount();
  EXPECT_TRUE(absl::IsUnavailable(rig_.Discard()));
  rig_.tree().Rename("unmounted", ".sluice");
  EXPECT_EQ(rig_.Discard(), absl::OkStatus());
  EXPECT_FALSE(rig_.HasPrivateDirectory());
}

// One that has a private directory too.
TEST_F(Discard, FailsWhileAnotherFileSystemIsMountedThere) {
  Unmount();
  ASSERT_EQ(::mkdir(rig_.Path(".sluice").c_str(), 0700), 0);
  EXPECT_TRUE(absl::IsUnavailable(rig_.Discard()));
}

TEST_F(Discard, DoesNotMissWhatAnUndoHasMovedBack) {
  ASSERT_EQ(rig_.Undo().outcomes.size(), 2);
  ASSERT_FALSE(rig_.HasPrivateDirectory());
  ApplyRig::RenumberDevices(rig_.journal());
  EXPECT_EQ(rig_.Discard(), absl::OkStatus());
}

TEST_F(Discard, FailsWhereThePrivateDirectoryIsNotPrivateAnyMore) {
  ASSERT_EQ(::chmod(rig_.Path(".sluice").c_str(), 0755), 0);
  EXPECT_TRUE(absl::IsUnavailable(rig_.Discard()));
  EXPECT_EQ(rig_.CountPrivate(), 2);
}

TEST_F(Discard, DeletesWhatItCanWhereOneFileCannotBeDeleted) {
  bool first = true;
  HookedFsOps fs([&](std::string_view call) {
    return call == "Unlink" && std::exchange(first, false) ? EROFS : 0;
  });
  EXPECT_TRUE(absl::IsUnavailable(rig_.Discard(fs)));
  EXPECT_EQ(rig_.CountPrivate(), 1);
  EXPECT_EQ(rig_.Discard(), absl::OkStatus());
  EXPECT_FALSE(rig_.HasPrivateDirectory());
}

}  // namespace
}  // namespace sluice
