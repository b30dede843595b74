// What apply does where somebody changes the tree between two of its steps.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/unit/stages/apply/apply_rig.h"
#include "tests/unit/stages/apply/hooked_fs_ops.h"

namespace sluice {
namespace {

using Result = ApplyOutcome::Result;

// Changes the tree in the moment before a call of the protocol, the first time that it is made; or
// each time, told the how manieth it is, from 1.
std::vector<ApplyOutcome> ApplyWhileEach(ApplyRig& rig, std::string_view call,
                                         const std::function<void(int)>& intrude, Action action) {
  int calls = 0;
  HookedFsOps fs([&](std::string_view announced) {
    if (announced == call) intrude(++calls);
    return 0;
  });
  return rig.Apply(ApplyRig::Executing(action), fs).outcomes;
}

std::vector<ApplyOutcome> ApplyWhile(ApplyRig& rig, std::string_view call,
                                     const std::function<void()>& intrude,
                                     Action action = Action::kHardlink) {
  const auto once = [&](int calls) {
    if (calls == 1) intrude();
  };
  return ApplyWhileEach(rig, call, once, action);
}

TEST(Apply, GivesAFileBackThatTookThePathInTheLastMoment) {
  for (const Action action : {Action::kHardlink, Action::kSymlink}) {
    ApplyRig rig;
    rig.MakeGroup({"a", "b"}, "content");
    rig.tree().Write("new", "newer");
    const auto outcomes =
        ApplyWhile(rig, "Exchange", [&] { rig.tree().Rename("new", "b"); }, action);
    EXPECT_EQ(outcomes[0].skip_reason, SkipReason::kChanged);
    EXPECT_EQ(rig.Contents()["b"], "newer");
    EXPECT_FALSE(rig.HasPrivateDirectory());
  }
}

// Of files that follow each other at a path the last one stays there, however they fall between the
// exchanges; the one that was out of its place when it was replaced is kept.
TEST(Apply, GivesThePathToTheNewestOfThoseThatTookIt) {
  for (const Action action : {Action::kHardlink, Action::kSymlink}) {
    for (const int newcomers : {2, 3, 4, 5}) {
      ApplyRig rig;
      rig.MakeGroup({"a", "b"}, "content");
      const auto content = [](int number) { return absl::StrCat("newcomer ", number); };
      const auto outcomes = ApplyWhileEach(
          rig, "Exchange",
          [&](int calls) {
            if (calls > newcomers) return;
            rig.tree().Write("new", content(calls));
            rig.tree().Rename("new", "b");
          },
          action);
      EXPECT_EQ(outcomes[0].result, Result::kFailed);
      EXPECT_EQ(rig.Contents()["b"], content(newcomers)) << newcomers;
      std::ifstream rescued(rig.Path(".sluice/rescued-job-1-1"));
      EXPECT_EQ(std::string(std::istreambuf_iterator<char>(rescued), {}), content(newcomers - 1));
      EXPECT_EQ(rig.CountPrivate(), 1);
    }
  }
}

TEST(Apply, PutsAFileBackThatItWouldHaveRemovedByMistake) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  rig.tree().Write("new", "newer");
  const auto outcomes =
      ApplyWhile(rig, "MoveNoReplace", [&] { rig.tree().Rename("new", "b"); }, Action::kRemove);
  EXPECT_EQ(outcomes[0].skip_reason, SkipReason::kChanged);
  EXPECT_EQ(rig.Contents()["b"], "newer");
}

TEST(Apply, LeavesADirectoryAloneThatTookThePath) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  const auto outcomes = ApplyWhile(rig, "Exchange", [&] {
    rig.tree().Remove("b");
    rig.tree().Write("b/inside", "kept");
  });
  EXPECT_EQ(outcomes[0].skip_reason, SkipReason::kChanged);
  EXPECT_EQ(rig.Contents()["b/inside"], "kept");
}

TEST(Apply, StopsWhereSomebodyIsAboutToWrite) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  const auto outcomes = ApplyWhile(rig, "Exchange", [&] {
    // Breaks the lease; fails at once, as it may not wait.
    EXPECT_LT(::open(rig.Path("b").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC), 0);
  });
  EXPECT_EQ(outcomes[0].skip_reason, SkipReason::kBusy);
  EXPECT_NE(rig.tree().Stat("b").inode, rig.tree().Stat("a").inode);
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

TEST(Apply, ADirectoryThatWasMovedAwayIsStillTheOneThatIsChanged) {
  ApplyRig rig;
  rig.MakeGroup({"a", "d/b"}, "content");
  const auto outcomes = ApplyWhile(rig, "Exchange", [&] {
    rig.tree().Rename("d", "moved");
    rig.tree().MakeSymlink("d", "/etc");
  });
  EXPECT_EQ(outcomes[0].result, Result::kApplied);
  EXPECT_EQ(rig.tree().Stat("moved/b").inode, rig.tree().Stat("a").inode);
}

}  // namespace
}  // namespace sluice
