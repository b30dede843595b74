// Two jobs at once whose plans are each other's opposites: what is the source of one is the copy of
// the other.
//
// The plans of two reconcile jobs with different rules are so, and a server runs several jobs at a
// time. Neither sees the other's leases, which go together. The oracle: both paths of every pair
// still lead to the content (ACTION_REMOVE: one of them is still the file), every outcome is a
// change or a reason to leave the file alone, and nothing but the pairs is left in the tree.
//
// SLUICE_OPPOSITE_ROUNDS: how often two threads are let loose on kPairs pairs (scripts/faults).
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/unit/stages/apply/apply_rig.h"
#include "tests/unit/stages/apply/fork_stride.h"
#include "tests/unit/stages/apply/hooked_fs_ops.h"

namespace sluice {
namespace {

constexpr int kPairs = 64;

constexpr auto kDelete = ApplyOptions::Removed::kDelete;

struct Case {
  const char* name;
  Action forward;
  Action backward;
  ApplyOptions::Removed removed = ApplyOptions::Removed::kQuarantine;

  bool removes() const { return forward == Action::kRemove || backward == Action::kRemove; }
};
void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

std::string ContentOf(int pair) { return absl::StrCat("content of pair ", pair); }

// Pairs of files, and two jobs over them.
class Opposites final {
 public:
  Opposites(const Case& param, int pairs) : param_(param), pairs_(pairs) {
    for (int pair = 0; pair < pairs; ++pair) {
      const std::string a = absl::StrCat("a", pair);
      const std::string b = absl::StrCat("b", pair);
      rig_.MakeGroup({a, b}, ContentOf(pair));
      backward_.push_back(rig_.PlanOf({b, a}));
      backward_.back().sequence = backward_.size();
      backward_.back().name = absl::StrCat("plans/q", pair);
    }
  }

  void RunForward(FsOps& fs = SystemFsOps()) {
    Check(rig_.ApplyAs("forward", rig_.plans(), Options(param_.forward), fs));
  }
  void RunBackward() { Check(rig_.ApplyAs("backward", backward_, Options(param_.backward))); }
  void Recover() {
    for (const char* job : {"forward", "backward"}) {
      EXPECT_TRUE(RecoverJournal(SystemFsOps(), rig_.roots(), rig_.JournalOf(job)).ok());
    }
  }

  void ExpectNothingLost() {
    const auto contents = rig_.Contents();
    std::size_t paths = 0;
    for (int pair = 0; pair < pairs_; ++pair) {
      std::size_t found = 0;
      for (const char* side : {"a", "b"}) {
        const auto path = contents.find(absl::StrCat(side, pair));
        if (path == contents.end()) continue;
        EXPECT_EQ(path->second, ContentOf(pair)) << path->first;
        ++found;
      }
      EXPECT_GE(found, param_.removes() ? 1 : 2) << "pair " << pair;
      paths += found;
    }
    EXPECT_EQ(contents.size(), paths) << "something else is in the tree";
    ExpectNothingKept();
  }

 private:
  ApplyOptions Options(Action action) const {
    ApplyOptions options = ApplyRig::Executing(action);
    options.removed = param_.removed;
    return options;
  }

  void Check(const ApplyRig::Run& run) {
    EXPECT_EQ(run.outcomes.size(), static_cast<std::size_t>(pairs_));
    for (const ApplyOutcome& outcome : run.outcomes) {
      const bool is_applied = outcome.result == ApplyOutcome::Result::kApplied;
      EXPECT_TRUE(is_applied || outcome.skip_reason)
          << outcome.path << ": " << (outcome.failure ? outcome.failure->message : "");
    }
  }

  // In the private directories, but what was removed and may come back.
  void ExpectNothingKept() {
    for (const char* job : {"forward", "backward"}) {
      EXPECT_TRUE(DiscardKept(SystemFsOps(), rig_.roots(), rig_.JournalOf(job)).ok());
    }
    EXPECT_FALSE(rig_.HasPrivateDirectory());
  }

  const Case param_;
  const int pairs_;
  ApplyRig rig_;
  std::vector<StoredPlan> backward_;
};

class OppositePlans : public ::testing::TestWithParam<Case> {};

TEST_P(OppositePlans, LoseNothingWhereOneJobRunsBetweenAnyTwoCallsOfTheOther) {
  bool ran = true;
  for (int n = 1; ran; ++n) {
    Opposites jobs(GetParam(), 2);
    int calls = 0;
    HookedFsOps fs([&](std::string_view) {
      if (++calls == n) jobs.RunBackward();
      return 0;
    });
    jobs.RunForward(fs);
    ran = calls >= n;
    jobs.ExpectNothingLost();
    ASSERT_FALSE(HasFailure()) << "before call " << n;
  }
}

// False: the first job came to its end.
bool KilledBefore(int killed, int other_runs, Opposites& jobs) {
  constexpr int kKilled = 42;
  const pid_t child = ::fork();
  if (child == 0) {
    int calls = 0;
    HookedFsOps fs([&](std::string_view) {
      if (++calls == other_runs) jobs.RunBackward();
      if (calls == killed) ::_exit(kKilled);
      return 0;
    });
    jobs.RunForward(fs);
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status) == kKilled;
}

// The moments at which the other one runs are sampled; between two of them the first has mostly
// looked at something.
TEST_P(OppositePlans, LoseNothingWhereOneIsKilledAfterTheOtherRan) {
  for (int other_runs = 1;; other_runs += std::max(5, kForkStride)) {
    int n = other_runs;
    for (bool killed = true; killed; n += kForkStride) {
      Opposites jobs(GetParam(), 1);
      killed = KilledBefore(n, other_runs, jobs);
      jobs.Recover();
      jobs.ExpectNothingLost();
      ASSERT_FALSE(HasFailure()) << "killed before call " << n << ", other before " << other_runs;
    }
    if (n == other_runs + kForkStride) return;  // The first came to its end before either.
  }
}

class OppositeThreads : public OppositePlans {};

TEST_P(OppositeThreads, LoseNothingOfOppositePlans) {
  const unsigned rounds = FromEnvironment("SLUICE_OPPOSITE_ROUNDS", 50);
  for (unsigned round = 0; round < rounds; ++round) {
    Opposites jobs(GetParam(), kPairs);
    std::barrier both(2);
    std::thread backward([&] {
      both.arrive_and_wait();
      jobs.RunBackward();
    });
    both.arrive_and_wait();
    jobs.RunForward();
    backward.join();
    jobs.ExpectNothingLost();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

const Case kAlike[] = {{"Hardlink", Action::kHardlink, Action::kHardlink},
                       {"Symlink", Action::kSymlink, Action::kSymlink},
                       {"Remove", Action::kRemove, Action::kRemove},
                       {"RemoveForGood", Action::kRemove, Action::kRemove, kDelete},
                       {"Reflink", Action::kReflink, Action::kReflink}};
const Case kMixed[] = {
    {"HardlinkAgainstSymlink", Action::kHardlink, Action::kSymlink},
    {"SymlinkAgainstHardlink", Action::kSymlink, Action::kHardlink},
    {"HardlinkAgainstRemove", Action::kHardlink, Action::kRemove, kDelete},
    {"RemoveAgainstHardlink", Action::kRemove, Action::kHardlink, kDelete},
    {"SymlinkAgainstRemove", Action::kSymlink, Action::kRemove, kDelete},
    {"RemoveAgainstSymlink", Action::kRemove, Action::kSymlink, kDelete},
};

std::string NameOf(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(EachAction, OppositePlans, ::testing::ValuesIn(kAlike), NameOf);
INSTANTIATE_TEST_SUITE_P(TwoActions, OppositePlans, ::testing::ValuesIn(kMixed), NameOf);
INSTANTIATE_TEST_SUITE_P(EachAction, OppositeThreads, ::testing::ValuesIn(kAlike), NameOf);

}  // namespace
}  // namespace sluice
