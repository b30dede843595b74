// Between the plan and its being carried out, one file of a group is touched, in every way there
// is.
//
// The oracle: what was touched is skipped, for the one reason that its kind of change gives, and is
// left as it is (bytes, inode, times); where it was the source of its group, so is every copy; and
// all other copies of the run are changed.
//
// SLUICE_STALE_TRIALS: how many files are touched for each action; the long form is 10,000
// (scripts/faults). SLUICE_STALE_SEED repeats a run, whose seed a failure names.
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/unit/stages/apply/apply_rig.h"
#include "tests/unit/stages/apply/intruder.h"

namespace sluice {
namespace {

using Result = ApplyOutcome::Result;

constexpr int kGroups = 40;  // A run.

struct File {
  std::string content;
  FileStat stat;
};

// What a run must make of one copy.
struct Expected {
  std::string source;
  std::optional<SkipReason> skip;  // None: it is changed.
  std::string why;                 // For people.
};

// One run over many groups, of some of which a file was touched.
class StaleRun final {
 public:
  StaleRun(Action action, std::mt19937& random) : action_(action), random_(random) {
    options_ = ApplyRig::Executing(action);
    if (random() % 2 == 0) options_.verify = ApplyOptions::Verify::kDigest;
    for (int group = 0; group < kGroups; ++group) Arrange(group);
  }

  void CarryOut() {
    const std::map<std::string, File> before = Look();
    const std::vector<ApplyOutcome> outcomes = rig_.Apply(options_).outcomes;
    const std::map<std::string, File> after = Look();
    EXPECT_EQ(outcomes.size(), expected_.size());
    for (const ApplyOutcome& outcome : outcomes) {
      const std::string name = outcome.path.substr(rig_.Path("x").size() - 1);
      SCOPED_TRACE(absl::StrCat(name, ": ", expected_.at(name).why));
      CheckOutcome(outcome, expected_.at(name));
      CheckFile(name, expected_.at(name), before, after);
    }
    for (const std::string& name : sources_) ExpectSame(name, before, after);
    if (action_ != Action::kRemove) EXPECT_FALSE(rig_.HasPrivateDirectory());
  }

  int touched() const { return static_cast<int>(intruders_.size()); }

 private:
  void Arrange(int group) {
    std::vector<std::string> names;
    names.resize(2 + (random_() % 3));
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = absl::StrCat(group, ".", i);
    // Smaller ones are no extents of their own on btrfs, and share none.
    std::string content(4'096 + (random_() % 16'384), '\0');
    for (char& byte : content) byte = static_cast<char>(random_());
    rig_.MakeGroup(names, content);
    rig_.plans().pop_back();
    const bool touches = random_() % 3 != 0;
    const std::size_t target = random_() % names.size();
    if (touches) {
      const auto touch = static_cast<Touch>(random_() % kTouches);
      intruders_.emplace_back(rig_.tree(), names[target], touch).BeforeThePlan();
    }
    rig_.AddPlan(rig_.PlanOf(names));
    if (touches) intruders_.back().AfterThePlan(random_);
    sources_.push_back(names.front());
    for (std::size_t i = 1; i < names.size(); ++i) {
      Expected& expected = expected_[names[i]];
      expected.source = names.front();
      if (!touches || (target != 0 && target != i)) continue;
      const Intruder& intruder = intruders_.back();
      expected.skip =
          target == 0 ? intruder.ReasonForSource(options_.verify) : intruder.ReasonForCopy();
      expected.why = absl::StrCat(NameOf(intruder.touch()), target == 0 ? " (source)" : " (copy)");
    }
  }

  std::map<std::string, File> Look() {
    std::map<std::string, File> files;
    for (auto& [name, content] : rig_.Contents()) {
      files[name] = {.content = content, .stat = rig_.tree().Stat(name)};
    }
    return files;
  }

  static void CheckOutcome(const ApplyOutcome& outcome, const Expected& expected) {
    EXPECT_EQ(outcome.result, expected.skip ? Result::kSkipped : Result::kApplied)
        << (outcome.failure ? outcome.failure->message : "");
    EXPECT_EQ(outcome.skip_reason, expected.skip);
  }

  void CheckFile(const std::string& name, const Expected& expected,
                 const std::map<std::string, File>& before,
                 const std::map<std::string, File>& after) const {
    if (expected.skip || action_ == Action::kReflink) return ExpectSame(name, before, after);
    ASSERT_EQ(after.contains(name), action_ != Action::kRemove);
    if (action_ == Action::kRemove) return;
    const File& file = after.at(name);
    EXPECT_EQ(file.content, before.at(name).content);
    if (action_ == Action::kSymlink) {
      EXPECT_EQ(std::filesystem::read_symlink(rig_.Path(name)), expected.source);
    } else {
      EXPECT_EQ(file.stat.inode, after.at(expected.source).stat.inode);
    }
  }

  // Links to it may have been made, which moves the change time.
  static void ExpectSame(const std::string& name, const std::map<std::string, File>& before,
                         const std::map<std::string, File>& after) {
    ASSERT_EQ(after.contains(name), before.contains(name)) << name;
    if (!after.contains(name)) return;
    EXPECT_TRUE(after.at(name).content == before.at(name).content) << name;
    EXPECT_EQ(after.at(name).stat.inode, before.at(name).stat.inode) << name;
    EXPECT_EQ(after.at(name).stat.modify_time_ns, before.at(name).stat.modify_time_ns) << name;
  }

  const Action action_;
  std::mt19937& random_;
  ApplyRig rig_;
  ApplyOptions options_;
  std::deque<Intruder> intruders_;  // They keep what they hold.
  std::vector<std::string> sources_;
  std::map<std::string, Expected> expected_;  // By the names of copies.
};

class StalePlans : public ::testing::TestWithParam<Action> {};

TEST_P(StalePlans, ChangeNothingThatWasTouchedAndAllThatWasNot) {
  if (GetParam() == Action::kReflink) {
    ApplyRig rig;
    rig.MakeGroup({"a", "b"}, std::string(4'096, 'x'));
    const auto tried = rig.Apply({.action = Action::kReflink}).outcomes;
    if (tried[0].skip_reason == SkipReason::kUnsupported) GTEST_SKIP() << "no reflinks here";
  }
  const unsigned seed = FromEnvironment("SLUICE_STALE_SEED", std::random_device()());
  SCOPED_TRACE(absl::StrCat("SLUICE_STALE_SEED=", seed));
  std::mt19937 random(seed);
  const int wanted = static_cast<int>(FromEnvironment("SLUICE_STALE_TRIALS", 500));
  for (int trials = 0; trials < wanted && !HasFailure();) {
    StaleRun run(GetParam(), random);
    run.CarryOut();
    trials += run.touched();
  }
}

INSTANTIATE_TEST_SUITE_P(Actions, StalePlans,
                         ::testing::Values(Action::kHardlink, Action::kSymlink, Action::kRemove,
                                           Action::kReflink));

}  // namespace
}  // namespace sluice
