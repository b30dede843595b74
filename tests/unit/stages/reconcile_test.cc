#include "pipeline/stages/reconcile.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/async/status_error.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/candidate_list.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Reason = ItemError::Reason;

// What changed since the scan.

TEST(ReconcileChanges, VanishedAndChangedFilesAreErrorsAndInNoPlan) {
  for (const std::size_t copies : {4, 100}) {
    ReconcileRig rig;
    AddCopies(rig.disk, "a", copies, "content");
    rig.Scan();
    rig.disk.Remove("/a1");
    rig.disk.Touch("/a2");
    const Reconciled result = rig.Run();
    EXPECT_THAT(PathsOf(result.errors), UnorderedElementsAre("/a1", "/a2"));
    ASSERT_THAT(result.plans, SizeIs(1));
    EXPECT_EQ(result.plans[0].copies.size(), copies - 2);
  }
}

TEST(ReconcileChanges, WhatIsRecordedIsTrustedAsOfTheScan) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 2, "content");
  rig.disk.RecordDigest("/a0");
  rig.disk.RecordDigest("/a1");
  rig.Scan();
  rig.disk.Touch("/a1");
  const Reconciled result = rig.Run();
  EXPECT_THAT(rig.disk.reads(), IsEmpty());
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_NE(result.plans[0].copies[1].file.stat, rig.disk.stat("/a1"));
}

TEST(ReconcileChanges, InodeIsReadByAnotherNameWhereTheFirstOneVanished) {
  for (const std::size_t others : {1, 100}) {
    ReconcileRig rig;
    rig.disk.AddFile("/a", "content");
    rig.disk.AddLink("/b", "/a");
    rig.disk.AddLink("/c", "/a");
    AddCopies(rig.disk, "z", others, "content");
    rig.Scan();
    rig.disk.Remove("/a");
    const Reconciled result = rig.Run();
    EXPECT_THAT(PathsOf(result.errors), ElementsAre("/a"));
    ASSERT_THAT(result.plans, SizeIs(1));
    EXPECT_EQ(result.plans[0].copies.size(), others + 2);
    EXPECT_EQ(result.plans[0].copies[0].file.path, "/b");
  }
}

TEST(ReconcileChanges, EveryNameThatFailsIsOneErrorEach) {
  ReconcileRig rig;
  AddCopies(rig.disk, "z", 2, "content");
  rig.disk.AddFile("/a", "content");
  for (const char* link : {"/b", "/c"}) rig.disk.AddLink(link, "/a");
  rig.Scan();
  for (const char* name : {"/a", "/b", "/c"}) rig.disk.Remove(name);
  const Reconciled result = rig.Run();
  EXPECT_THAT(PathsOf(result.errors), UnorderedElementsAre("/a", "/b", "/c"));
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_THAT(PathsOf(result.plans[0]), ElementsAre("/z0", "/z1"));
}

TEST(ReconcileChanges, OtherNamesOfWhatWasReadAreTrustedAsOfTheScan) {
  for (const std::size_t others : {1, 100}) {
    ReconcileRig rig;
    AddCopies(rig.disk, "a", others, "content");
    rig.disk.AddFile("/x", "content");
    rig.disk.AddLink("/y", "/x");
    rig.Scan();
    rig.disk.Remove("/y");
    const Reconciled result = rig.Run();
    EXPECT_THAT(result.errors, IsEmpty());
    ASSERT_THAT(result.plans, SizeIs(1));
    EXPECT_EQ(result.plans[0].copies.size(), others + 2);
  }
}

TEST(ReconcileChanges, LinkThatWasNotScannedKeepsItsStorage) {
  ReconcileRig rig;
  rig.options.keep = {{.criterion = KeepRule::Criterion::kOldest, .glob = {}, .pattern = {}}};
  AddCopies(rig.disk, "a", 2, "content");
  ++rig.disk.stat("/a1").link_count;
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_EQ(result.plans[0].recoverable_bytes, 0U);
}

TEST(ReconcileChanges, NameRecordedInAnotherVersionIsAnError) {
  ReconcileRig rig;
  AddCopies(rig.disk, "z", 1, "content");
  rig.disk.AddFile("/a", "content");
  rig.disk.AddLink("/b", "/a");
  rig.Scan();
  for (CandidateFile& name : rig.candidates.files()) {
    if (name.file.path == "/a") name.file.stat.modify_time_ns -= 1;  // By an older scan.
  }
  const Reconciled result = rig.Run();
  EXPECT_THAT(PathsOf(result.errors), ElementsAre("/a"));
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_THAT(PathsOf(result.plans[0]), ElementsAre("/z0", "/b"));
}

TEST(ReconcileChanges, OtherNamesAreNotTriedWhereTheContentIsAtFault) {
  ReconcileRig rig;
  AddCopies(rig.disk, "z", 2, "content");
  rig.disk.AddFile("/a", "content");
  rig.disk.AddLink("/b", "/a");
  rig.disk.FailToRead("/a", Reason::kIo);
  const Reconciled result = rig.ScanAndRun();
  EXPECT_THAT(PathsOf(result.errors), ElementsAre("/a"));
  EXPECT_EQ(rig.disk.reads().size(), 3u);
}

// How far ahead of its consumer it reads, and how it ends.

// Concurrency 2: as many batches being read, as many ahead, and one that is handed on.
constexpr std::size_t kMostReadAhead = (2 + 2 + 1) * kSmallBatchInodes;

TEST(ReconcileLaziness, NothingIsReadBeforeTheFirstPull) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 2, "content");
  rig.Scan();
  {
    const auto items = rig.Start();
  }
  EXPECT_THAT(rig.disk.reads(), IsEmpty());
}

TEST(ReconcileLaziness, FirstPlanComesAfterAFewBatches) {
  ReconcileRig rig;
  for (std::size_t size = 1; size <= 500; ++size) AddClassesOfTwo(rig.disk, {size});
  rig.Scan();
  {
    auto items = rig.Start();
    ASSERT_TRUE(Pull(items));
    EXPECT_LE(rig.disk.reads().size(), kMostReadAhead);
  }
}

TEST(ReconcileLaziness, LargeClassIsNotBegunBeforeTheSmallOnesAreHandedOn) {
  ReconcileRig rig;
  AddCopies(rig.disk, "large", kLargeClassInodes, Content(10));
  AddClassesOfTwo(rig.disk, {4'000});
  rig.Scan();
  auto items = rig.Start();
  ASSERT_TRUE(std::holds_alternative<Plan>(*Pull(items)));
  ASSERT_TRUE(std::holds_alternative<KnownContents>(*Pull(items)));
  ASSERT_TRUE(std::holds_alternative<ReconcileCheckpoint>(*Pull(items)));
  EXPECT_EQ(rig.disk.reads().size(), 2u);
  ASSERT_TRUE(std::holds_alternative<Plan>(*Pull(items)));
  EXPECT_EQ(rig.disk.reads().size(), 2 + kLargeClassInodes);
}

TEST(ReconcileLaziness, OneLargeClassIsReadWhileThatBeforeItIsHandedOn) {
  ReconcileRig rig;
  for (const std::size_t size : {30, 20, 10}) {
    AddCopies(rig.disk, absl::StrCat(size, "_"), kLargeClassInodes, Content(size));
  }
  rig.Scan();
  {
    auto items = rig.Start();
    auto item = Pull(items);
    while (item && !std::holds_alternative<Plan>(*item)) item = Pull(items);
    ASSERT_TRUE(item);
    EXPECT_TRUE(rig.disk.WaitForReads(2 * kLargeClassInodes));
  }
  rig.Join();
  EXPECT_EQ(rig.disk.reads().size(), 2 * kLargeClassInodes);
}

TEST(ReconcileCancellation, StopAfterAnyItemEndsWithCancelled) {
  for (std::size_t taken = 0; taken < 6; ++taken) {
    ReconcileRig rig;
    AddClassesOfTwo(rig.disk, {1, 2, 3, 4, 5});
    AddCopies(rig.disk, "large", 600, Content(6));
    rig.Scan();
    auto items = rig.Start();
    for (std::size_t i = 0; i < taken; ++i) ASSERT_TRUE(Pull(items));
    rig.scope.RequestStop();
    EXPECT_THROW((void)Pull(items), Cancelled);
  }
}

TEST(ReconcileCancellation, StopEndsADigestThatIsBeingRead) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", kLargeClassInodes, "content");
  rig.Scan();
  rig.disk.Block();
  auto items = rig.Start();
  std::jthread stopper([&rig] { rig.scope.RequestStop(); });
  EXPECT_THROW((void)Pull(items), Cancelled);
}

TEST(ReconcileCancellation, DroppingItLeavesNoChildBehind) {
  for (std::size_t taken = 0; taken < 6; ++taken) {
    ReconcileRig rig;
    for (std::size_t size = 1; size <= 200; ++size) AddClassesOfTwo(rig.disk, {size});
    rig.Scan();
    {
      auto items = rig.Start();
      for (std::size_t i = 0; i < taken; ++i) ASSERT_TRUE(Pull(items));
    }
    rig.Join();
    EXPECT_EQ(rig.scope.live(), 0u);
  }
}

TEST(ReconcileErrors, FailureOfTheListEndsTheStream) {
  class FailingList final : public CandidateList {
    absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t, std::size_t) override {
      return absl::DataLossError("damaged");
    }
  } list;
  ReconcileRig rig;
  auto items = Reconcile(rig.options, {.candidates = Borrowed(list),
                                       .digester = rig.disk,
                                       .scope = rig.scope,
                                       .counters = rig.counters,
                                       .spool_directory = testing::TempDir()});
  EXPECT_THROW((void)Pull(items), StatusError);
}

}  // namespace
}  // namespace sluice
