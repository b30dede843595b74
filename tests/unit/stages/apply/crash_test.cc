// A process that dies before any of its system calls, and once more while what it left is mended.
//
// The oracle: nothing but what the action promises to change differs afterwards. Every path holds
// its old bytes (ACTION_REMOVE: or its file is kept), nothing is left in the private directory, and
// a run that goes on ends as one that was never interrupted.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/async/status_error.h"
#include "tests/unit/stages/apply/apply_rig.h"
#include "tests/unit/stages/apply/fork_stride.h"
#include "tests/unit/stages/apply/hooked_fs_ops.h"

namespace sluice {
namespace {

constexpr int kKilled = 42;

// Runs `work` in a process of its own, which ends before its n-th call. False: it came to its end.
bool KilledBefore(int n, const std::function<void(FsOps&)>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    int left = n;
    HookedFsOps fs([&left](std::string_view) {
      if (--left == 0) ::_exit(kKilled);
      return 0;
    });
    work(fs);
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == kKilled || WEXITSTATUS(status) == 0);
  return WEXITSTATUS(status) == kKilled;
}

struct Case {
  const char* name;
  Action action;
  bool undo = false;
  ApplyOptions::Removed removed = ApplyOptions::Removed::kQuarantine;

  ApplyOptions options() const {
    ApplyOptions options = ApplyRig::Executing(action);
    options.removed = removed;
    return options;
  }
  bool keeps() const {
    return action == Action::kRemove && !undo && removed == ApplyOptions::Removed::kQuarantine;
  }
};
void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

// Two groups; of the second an inode has two names.
void Arrange(ApplyRig& rig, const Case& param) {
  rig.MakeGroup({"a", "d/b"}, "content");
  rig.MakeGroup({"e", "f"}, "other content");
  rig.tree().MakeHardLink("d/g", "f");
  rig.plans().pop_back();
  rig.AddPlan(rig.PlanOf({"e", "f", "d/g"}));
  if (param.undo) rig.Apply(param.options());
}

std::vector<ApplyOutcome> Work(ApplyRig& rig, const Case& param, FsOps& fs = SystemFsOps()) {
  return param.undo ? rig.Undo(param.options(), fs).outcomes
                    : rig.Apply(param.options(), fs).outcomes;
}

// What each path gives back or will, in a run that nothing interrupts.
using Bytes = std::map<std::string, std::pair<std::uint64_t, std::uint64_t>>;

Bytes BytesOf(ApplyRig& rig, const std::vector<ApplyOutcome>& outcomes) {
  Bytes bytes;
  for (const ApplyOutcome& outcome : outcomes) {
    const std::string below = outcome.path.substr(rig.tree().root().size());
    bytes[below] = {outcome.recovered_bytes, outcome.pending_bytes};
  }
  return bytes;
}

Bytes UninterruptedBytes(const Case& param) {
  ApplyRig rig;
  Arrange(rig, param);
  return BytesOf(rig, Work(rig, param));
}

std::string JournalOf(ApplyRig& rig, const Case& param) {
  return param.undo ? rig.undo_journal() : rig.journal();
}

absl::Status Mend(ApplyRig& rig, const Case& param, FsOps& fs = SystemFsOps()) {
  return RecoverJournal(fs, rig.roots(), JournalOf(rig, param));
}

using Contents = std::map<std::string, std::string>;

Contents Expected() {
  return {{"a", "content"},
          {"d/b", "content"},
          {"e", "other content"},
          {"f", "other content"},
          {"d/g", "other content"}};
}

// No path has other bytes than before, and none is missing but by ACTION_REMOVE.
void CheckBytes(ApplyRig& rig, const Case& param) {
  const Contents contents = rig.Contents();
  const Contents expected = Expected();
  for (const auto& [path, bytes] : contents) EXPECT_EQ(bytes, expected.at(path)) << path;
  if (param.action != Action::kRemove) EXPECT_EQ(contents.size(), expected.size());
}

// Nothing is left of the private directory but what an undo needs.
void CheckPrivate(ApplyRig& rig) { EXPECT_EQ(rig.HasPrivateDirectory(), rig.CountPrivate() > 0); }

void CheckEnd(ApplyRig& rig, const Case& param) {
  CheckBytes(rig, param);
  const bool removed = param.action == Action::kRemove && !param.undo;
  EXPECT_EQ(rig.Contents().size(), removed ? 2 : 5);
  EXPECT_EQ(rig.HasPrivateDirectory(), param.keeps());
  if (param.action == Action::kHardlink && !param.undo) {
    EXPECT_EQ(rig.tree().Stat("a").link_count, 2);
    EXPECT_EQ(rig.tree().Stat("e").link_count, 3);
  }
  if (param.undo) EXPECT_EQ(rig.tree().Stat("d/b").link_count, 1);
}

class ApplyCrash : public ::testing::TestWithParam<Case> {};

TEST_P(ApplyCrash, BeforeAnyCallLosesNothingAndConverges) {
  const Bytes bytes = UninterruptedBytes(GetParam());
  bool killed = true;
  for (int n = 1; killed; n += kForkStride) {
    ApplyRig rig;
    Arrange(rig, GetParam());
    killed = KilledBefore(n, [&](FsOps& fs) { Work(rig, GetParam(), fs); });
    CheckBytes(rig, GetParam());
    ASSERT_TRUE(Mend(rig, GetParam()).ok()) << n;
    CheckBytes(rig, GetParam());
    CheckPrivate(rig);
    const std::vector<ApplyOutcome> outcomes = Work(rig, GetParam());
    CheckEnd(rig, GetParam());
    // Of a reflink that has been made it cannot be seen any more what it gave back.
    if (GetParam().action != Action::kReflink) EXPECT_EQ(BytesOf(rig, outcomes), bytes);
    ASSERT_FALSE(HasFailure()) << "killed before call " << n;
  }
}

// As after a restart of the system.
TEST_P(ApplyCrash, ConvergesWhereDevicesHaveOtherNumbersSince) {
  bool killed = true;
  for (int n = 1; killed; n += kForkStride) {
    ApplyRig rig;
    Arrange(rig, GetParam());
    killed = KilledBefore(n, [&](FsOps& fs) { Work(rig, GetParam(), fs); });
    const std::string journal = JournalOf(rig, GetParam());
    if (std::filesystem::exists(journal)) ApplyRig::RenumberDevices(journal);
    ASSERT_TRUE(Mend(rig, GetParam()).ok()) << n;
    CheckBytes(rig, GetParam());
    CheckPrivate(rig);
    ASSERT_FALSE(HasFailure()) << "killed before call " << n;
  }
}

TEST_P(ApplyCrash, DuringItsOwnRecoveryConvergesToo) {
  bool killed = true;
  for (int n = 1; killed; n += kForkStride) {
    bool killed_again = true;
    for (int m = 1; killed_again; m += kForkStride) {
      ApplyRig rig;
      Arrange(rig, GetParam());
      killed = KilledBefore(n, [&](FsOps& fs) { Work(rig, GetParam(), fs); });
      killed_again = KilledBefore(m, [&](FsOps& fs) { (void)Mend(rig, GetParam(), fs); });
      CheckBytes(rig, GetParam());
      ASSERT_TRUE(Mend(rig, GetParam()).ok());
      CheckPrivate(rig);
      Work(rig, GetParam());
      CheckEnd(rig, GetParam());
      ASSERT_FALSE(HasFailure()) << "killed before call " << n << ", then before " << m;
    }
  }
}

// The call that moves "b" away meets a newer file there, and the process dies before the next one.
TEST(ApplyCrashInARace, GivesAFileBackThatWasMovedByMistake) {
  for (const auto removed : {ApplyOptions::Removed::kQuarantine, ApplyOptions::Removed::kDelete}) {
    ApplyRig rig;
    rig.MakeGroup({"a", "b"}, "content");
    rig.tree().Write("new", "newer");
    const Case remove = {.name = "Remove", .action = Action::kRemove, .removed = removed};
    const pid_t child = ::fork();
    if (child == 0) {
      bool moved = false;
      HookedFsOps fs([&](std::string_view call) {
        if (moved) ::_exit(kKilled);
        moved = call == "MoveNoReplace";
        if (moved) rig.tree().Rename("new", "b");
        return 0;
      });
      Work(rig, remove, fs);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(WEXITSTATUS(status), kKilled);
    ASSERT_EQ(rig.Contents().count("b"), 0);
    ASSERT_TRUE(rig.Recover().ok());
    EXPECT_EQ(rig.Contents()["b"], "newer");
    EXPECT_FALSE(rig.HasPrivateDirectory());
  }
}

// Every call fails, once or from then on, with each of these.
TEST_P(ApplyCrash, FailingAtAnyCallLosesNothing) {
  for (const int error : {ENOSPC, EIO, EDQUOT, EROFS, EACCES, EMFILE, ESTALE, EMLINK, EINTR}) {
    for (const bool once : {true, false}) {
      bool failed = true;
      for (int n = 1; failed; n += kForkStride) {
        ApplyRig rig;
        Arrange(rig, GetParam());
        int calls = 0;
        HookedFsOps fs([&](std::string_view) {
          ++calls;
          return calls == n || (calls > n && !once) ? error : 0;
        });
        try {
          Work(rig, GetParam(), fs);
        } catch (const StatusError& error) {  // The job stops, and may go on later.
          EXPECT_TRUE(absl::IsUnavailable(error.status())) << error.what();
        }
        failed = calls >= n;
        CheckBytes(rig, GetParam());
        ASSERT_TRUE(Mend(rig, GetParam()).ok());
        CheckBytes(rig, GetParam());
        if (once && GetParam().action != Action::kRemove) EXPECT_EQ(rig.CountPrivate(), 0);
        ASSERT_FALSE(HasFailure()) << "errno " << error << " at call " << n << ", once: " << once;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    EachAction, ApplyCrash,
    ::testing::Values(Case{"Hardlink", Action::kHardlink}, Case{"Symlink", Action::kSymlink},
                      Case{"Remove", Action::kRemove},
                      Case{"RemoveAtOnce", Action::kRemove, false, ApplyOptions::Removed::kDelete},
                      Case{"UndoOfHardlink", Action::kHardlink, true},
                      Case{"UndoOfSymlink", Action::kSymlink, true},
                      Case{"UndoOfRemove", Action::kRemove, true},
                      Case{"Reflink", Action::kReflink},
                      Case{"UndoOfReflink", Action::kReflink, true}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice
