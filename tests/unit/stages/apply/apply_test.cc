// What apply does to files, and what it leaves alone.
#include "pipeline/stages/apply/apply.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/stages/apply/journal_record.h"
#include "pipeline/stages/apply/preparation.h"
#include "tests/unit/stages/apply/apply_rig.h"
#include "tests/unit/stages/apply/hooked_fs_ops.h"

namespace sluice {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Result = ApplyOutcome::Result;

std::vector<ApplyOutcome> OutcomesOf(ApplyRig& rig, const ApplyOptions& options) {
  return rig.Apply(options).outcomes;
}

TEST(Apply, HardlinksEveryCopyToTheSource) {
  ApplyRig rig;
  rig.MakeGroup({"a", "d/b", "d/c"}, "content");
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink));
  EXPECT_THAT(outcomes, SizeIs(2));
  EXPECT_THAT(outcomes, Each(Field(&ApplyOutcome::result, Result::kApplied)));
  EXPECT_EQ(rig.tree().Stat("d/b").inode, rig.tree().Stat("a").inode);
  EXPECT_EQ(rig.tree().Stat("d/c").inode, rig.tree().Stat("a").inode);
  EXPECT_EQ(outcomes[0].recovered_bytes, 4096);
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

TEST(Apply, LeadsEveryCopyToTheSourceByARelativeLink) {
  ApplyRig rig;
  rig.MakeGroup({"x/a", "x/y/b", "c"}, "content");
  OutcomesOf(rig, ApplyRig::Executing(Action::kSymlink));
  EXPECT_EQ(std::filesystem::read_symlink(rig.Path("x/y/b")), "../a");
  EXPECT_EQ(std::filesystem::read_symlink(rig.Path("c")), "x/a");
  EXPECT_EQ(rig.Contents()["x/y/b"], "content");
}

TEST(Apply, KeepsWhatItRemovesUntilThatIsDiscarded) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kRemove));
  EXPECT_EQ(outcomes[0].recovered_bytes, 0);
  EXPECT_EQ(outcomes[0].pending_bytes, 4096);
  EXPECT_THAT(rig.Contents(), ElementsAre(std::pair("a", "content")));
  EXPECT_TRUE(rig.HasPrivateDirectory());
  ASSERT_TRUE(DiscardKept(SystemFsOps(), rig.roots(), rig.journal()).ok());
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

TEST(Apply, DeletesAtOnceWhatIsNotToBeKept) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  ApplyOptions options = ApplyRig::Executing(Action::kRemove);
  options.removed = ApplyOptions::Removed::kDelete;
  EXPECT_EQ(OutcomesOf(rig, options)[0].recovered_bytes, 4096);
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

TEST(Apply, GivesStorageBackWithTheLastNameOfAnInode) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  rig.tree().MakeHardLink("c", "b");
  rig.plans() = {};
  rig.AddPlan(rig.PlanOf({"a", "b", "c"}));
  const auto dry = OutcomesOf(rig, {.action = Action::kHardlink});
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink));
  EXPECT_THAT(outcomes, Each(Field(&ApplyOutcome::result, Result::kApplied)));
  EXPECT_EQ(outcomes[0].recovered_bytes, 0);
  EXPECT_EQ(outcomes[1].recovered_bytes, 4096);
  EXPECT_EQ(dry[0].recovered_bytes, 0);
  EXPECT_EQ(dry[1].recovered_bytes, 4096);
}

// The two names of the last inode are the last of one batch and the first of the next.
TEST(Apply, CountsAnInodeOnceWhoseNamesAreInTwoBatches) {
  for (const auto removed : {ApplyOptions::Removed::kQuarantine, ApplyOptions::Removed::kDelete}) {
    ApplyRig rig;
    std::vector<std::string> names;
    for (std::size_t i = 0; i <= kMaxBatchChanges; ++i) names.push_back("f" + std::to_string(i));
    rig.MakeGroup(names, "content");
    rig.tree().MakeHardLink("g", names.back());
    names.emplace_back("g");
    rig.plans() = {};
    rig.AddPlan(rig.PlanOf(names));
    ApplyOptions options = ApplyRig::Executing(Action::kRemove);
    options.removed = removed;
    std::uint64_t bytes = 0;
    for (const ApplyOutcome& outcome : OutcomesOf(rig, options)) {
      bytes += outcome.recovered_bytes + outcome.pending_bytes;
    }
    EXPECT_EQ(bytes, kMaxBatchChanges * 4096);
  }
}

TEST(Apply, EndsAfterTheChangesThatWereAllowed) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b", "c", "d"}, "content");
  ApplyOptions options = ApplyRig::Executing(Action::kHardlink);
  options.max_changes = 2;
  EXPECT_THAT(OutcomesOf(rig, options), SizeIs(2));
  EXPECT_NE(rig.tree().Stat("d").inode, rig.tree().Stat("a").inode);
}

// 65,001 copies, or as many as SLUICE_APPLY_COPIES says: ext4 and btrfs do not take so many links.
TEST(Apply, KeepsOneMoreCopyWhereLinksRunOut) {
  const auto copies = static_cast<int>(FromEnvironment("SLUICE_APPLY_COPIES", 300));
  ApplyRig rig;
  std::vector<std::string> names;
  names.reserve(copies);
  for (int i = 0; i < copies; ++i) names.push_back("f" + std::to_string(i));
  rig.MakeGroup(names, "content");
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink));
  std::set<std::uint64_t> inodes;
  for (const auto& [name, inode] : rig.Inodes()) inodes.insert(inode);
  const auto kept =
      std::ranges::count(outcomes, SkipReason::kKeptAsSource, &ApplyOutcome::skip_reason);
  EXPECT_EQ(inodes.size(), kept + 1);
  EXPECT_LE(kept, 1);
  EXPECT_THAT(outcomes, SizeIs(copies - 1));
}

TEST(Apply, GoesOnBehindACopyThatTheJournalCannotHold) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  rig.MakeGroup({"c", "d"}, "other content");
  rig.plans()[0].name = std::string(kMaxJournalRecordBytes, 'p');
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink));
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_EQ(outcomes[0].skip_reason, SkipReason::kUnsupported);
  EXPECT_EQ(outcomes[1].result, Result::kApplied);
}

TEST(Apply, WalksAGroupWithMoreCopiesThanABatch) {
  ApplyRig rig;
  std::vector<std::string> names;
  names.reserve(300);
  for (int i = 0; i < 300; ++i) names.push_back("f" + std::to_string(i));
  rig.MakeGroup(names, "content");
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink));
  EXPECT_THAT(outcomes, SizeIs(299));
  EXPECT_EQ(rig.tree().Stat("f0").link_count, 300);
}

TEST(Apply, GoesOnAfterACheckpointWithoutRepeatingIt) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b", "c", "d"}, "content");
  const ApplyOptions options = ApplyRig::Executing(Action::kHardlink);
  // All of the batch is done by then; two outcomes were told.
  const auto first = rig.Apply(options, SystemFsOps(), std::nullopt, 4);
  const auto rest = rig.Apply(options, SystemFsOps(), first.checkpoints.back());
  ASSERT_THAT(rest.outcomes, SizeIs(1));
  EXPECT_EQ(rest.outcomes[0].path, rig.Path("d"));
  EXPECT_EQ(rest.outcomes[0].result, Result::kApplied);
  EXPECT_EQ(rest.outcomes[0].recovered_bytes, 4096);
}

// One reason to leave a copy alone: how "b" (or the source "a") comes to have it.
struct Refusal {
  const char* name;
  std::function<void(ApplyRig&)> arrange;
  SkipReason reason;
  Action action = Action::kHardlink;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class ApplyRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(ApplyRefusals, AreTheSameInADryRunAndChangeNothing) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "some content");
  GetParam().arrange(rig);
  const auto before = rig.Inodes();
  const auto dry = OutcomesOf(rig, {.action = GetParam().action});
  const auto real = OutcomesOf(rig, ApplyRig::Executing(GetParam().action));
  ASSERT_THAT(real, SizeIs(1));
  EXPECT_EQ(real[0].result, Result::kSkipped);
  EXPECT_EQ(real[0].skip_reason, GetParam().reason);
  EXPECT_EQ(dry, real);
  EXPECT_EQ(rig.Inodes(), before);
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

void Append(ApplyRig& rig, const std::string& name) {
  const int fd = ::open(rig.Path(name).c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  ::close(fd);
}

// Plans anew, so that only what was arranged counts.
void Replan(ApplyRig& rig) {
  rig.plans() = {};
  rig.AddPlan(rig.PlanOf({"a", "b"}));
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, ApplyRefusals,
    ::testing::Values(
        Refusal{"Written", [](ApplyRig& rig) { Append(rig, "b"); }, SkipReason::kChanged},
        Refusal{"Replaced",
                [](ApplyRig& rig) {
                  rig.tree().Write("new", "some content");
                  rig.tree().Rename("new", "b");
                },
                SkipReason::kChanged},
        Refusal{"Vanished", [](ApplyRig& rig) { rig.tree().Remove("b"); }, SkipReason::kVanished},
        Refusal{"NowALink",
                [](ApplyRig& rig) {
                  rig.tree().Remove("b");
                  rig.tree().MakeSymlink("b", "a");
                },
                SkipReason::kType},
        Refusal{"NowAFifo",
                [](ApplyRig& rig) {
                  rig.tree().Remove("b");
                  rig.tree().MakeFifo("b");
                },
                SkipReason::kType},
        Refusal{"NowANameOfTheSource",
                [](ApplyRig& rig) {
                  rig.tree().Remove("b");
                  rig.tree().MakeHardLink("b", "a");
                },
                SkipReason::kSameFile},
        Refusal{"SourceWritten", [](ApplyRig& rig) { Append(rig, "a"); },
                SkipReason::kSourceUnavailable},
        Refusal{"SourceVanished", [](ApplyRig& rig) { rig.tree().Remove("a"); },
                SkipReason::kSourceUnavailable},
        Refusal{"OtherOwner",
                [](ApplyRig& rig) {
                  ASSERT_EQ(::chown(rig.Path("b").c_str(), 12345, 0), 0);
                  Replan(rig);
                },
                SkipReason::kOwnerDiffers},
        Refusal{"OtherMode",
                [](ApplyRig& rig) {
                  ::chmod(rig.Path("b").c_str(), 0600);
                  Replan(rig);
                },
                SkipReason::kMetadataDiffers},
        Refusal{"OtherTime",
                [](ApplyRig& rig) {
                  ::utimensat(AT_FDCWD, rig.Path("b").c_str(), nullptr, 0);
                  Replan(rig);
                },
                SkipReason::kMetadataDiffers},
        Refusal{"SetUserId",
                [](ApplyRig& rig) {
                  ::chmod(rig.Path("a").c_str(), 04755);
                  ::chmod(rig.Path("b").c_str(), 04755);
                  Replan(rig);
                },
                SkipReason::kPrivileged},
        Refusal{"OtherContent",
                [](ApplyRig& rig) {
                  rig.MakeGroup({"b"}, "some CONTENT");
                  Replan(rig);
                },
                SkipReason::kContentDiffers},
        Refusal{"Protected",
                [](ApplyRig& rig) { rig.plans()[0].plan.copies[1].is_protected = true; },
                SkipReason::kProtected},
        Refusal{"OtherHost", [](ApplyRig& rig) { rig.plans()[0].other_host = true; },
                SkipReason::kOtherHost},
        Refusal{"OutsideOfTheRoots",
                [](ApplyRig& rig) { rig.plans()[0].plan.copies[1].file.path = "/etc/passwd"; },
                SkipReason::kNotAllowed},
        // What else of an intent can be so large cannot be made on every file system.
        Refusal{
            "TooLargeForTheJournal",
            [](ApplyRig& rig) { rig.plans()[0].name = std::string(kMaxJournalRecordBytes, 'p'); },
            SkipReason::kUnsupported},
        Refusal{"AnotherDevice",
                [](ApplyRig& rig) { rig.plans()[0].plan.copies[1].file.stat.device = 1; },
                SkipReason::kChanged}),
    [](const auto& info) { return info.param.name; });

TEST(Apply, LeavesAloneWhatIsOpenForWriting) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  const int fd = ::open(rig.Path("b").c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_EQ(OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink))[0].skip_reason,
            SkipReason::kBusy);
  void* mapped = ::mmap(nullptr, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  EXPECT_EQ(OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink))[0].skip_reason,
            SkipReason::kBusy);
  ::munmap(mapped, 7);
  EXPECT_EQ(OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink))[0].result, Result::kApplied);
}

// The outcome for "b", where the request for its lease fails so.
ApplyOutcome WithoutLease(int error, bool allow_unleased) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  int leases = 0;
  HookedFsOps fs([&](std::string_view call) {
    return call == "TakeReadLease" && ++leases == 2 ? error : 0;  // The first is that of "a".
  });
  ApplyOptions options = ApplyRig::Executing(Action::kHardlink);
  options.allow_unleased = allow_unleased;
  const auto outcomes = rig.Apply(options, fs).outcomes;
  EXPECT_THAT(outcomes, SizeIs(1));
  const bool applied = outcomes[0].result == Result::kApplied;
  EXPECT_EQ(rig.tree().Stat("a").inode == rig.tree().Stat("b").inode, applied);
  return outcomes[0];
}

TEST(Apply, DoesWithoutLeasesWhereThereAreNoneAndThatIsAllowed) {
  for (const int error : {EINVAL, EOPNOTSUPP, ENOSYS, ENOLCK}) {
    EXPECT_EQ(WithoutLease(error, true).result, Result::kApplied) << error;
    EXPECT_EQ(WithoutLease(error, false).skip_reason, SkipReason::kLeasesUnsupported) << error;
  }
}

TEST(Apply, DoesNotDoWithoutALeaseThatItMayNotTakeOrCannotGet) {
  for (const bool allow_unleased : {false, true}) {
    EXPECT_EQ(WithoutLease(EAGAIN, allow_unleased).skip_reason, SkipReason::kBusy);
    for (const int error : {EACCES, EPERM}) {
      EXPECT_EQ(WithoutLease(error, allow_unleased).skip_reason, SkipReason::kPermissionDenied);
    }
    EXPECT_EQ(WithoutLease(ENOMEM, allow_unleased).result, Result::kFailed);
  }
}

TEST(Apply, LeavesALiveDatabaseAlone) {
  ApplyRig rig;
  const std::string database = std::string("SQLite format 3\0", 16) + "pages";
  rig.MakeGroup({"a.db", "b.db"}, database);
  rig.tree().Write("b.db-wal", "");
  EXPECT_EQ(OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink))[0].skip_reason,
            SkipReason::kLiveDatabase);
}

TEST(Apply, TakesTheMetadataOfTheSourceWhereThePolicySaysSo) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b"}, "content");
  ::chmod(rig.Path("b").c_str(), 0600);
  Replan(rig);
  ApplyOptions options = ApplyRig::Executing(Action::kHardlink);
  options.metadata = MetadataPolicy::kTakeSource;
  const auto outcomes = OutcomesOf(rig, options);
  EXPECT_EQ(outcomes[0].result, Result::kApplied);
  EXPECT_THAT(outcomes[0].metadata_changes, ElementsAre(MetadataField::kMode));
}

// What stands there under the name of the private directory, and is readable by others, is not
// ours.
TEST(Apply, FailsToChangeACopyAndGoesOnWhereThePrivateDirectoryIsSomebodyElses) {
  ApplyRig rig;
  rig.MakeGroup({"a", "b", "c"}, "content");
  ASSERT_EQ(::chmod(rig.tree().MakeDirectory(kPrivateDirectory).c_str(), 0755), 0);
  const auto before = rig.Inodes();
  const auto outcomes = OutcomesOf(rig, ApplyRig::Executing(Action::kHardlink));
  EXPECT_THAT(outcomes, SizeIs(2));
  EXPECT_THAT(outcomes, Each(Field(&ApplyOutcome::result, Result::kFailed)));
  EXPECT_EQ(rig.Inodes(), before);
}

TEST(RelativeTarget, LeadsFromTheLinksDirectory) {
  EXPECT_EQ(RelativeTarget("b", "a"), "a");
  EXPECT_EQ(RelativeTarget("x/y/b", "x/a"), "../a");
  EXPECT_EQ(RelativeTarget("x/b", "y/z/a"), "../y/z/a");
  EXPECT_EQ(RelativeTarget("b", "y/a"), "y/a");
  EXPECT_EQ(RelativeTarget("a/b/c", "a/b/d"), "d");
}

}  // namespace
}  // namespace sluice
