// Checkpoints of Reconcile, and reconciliations that go on from one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/stages/plan.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What was recorded of a reconciliation: all there is to tell one plan or error from another.
using Recorded = std::tuple<Digest, std::uint32_t, std::vector<std::string>>;

std::vector<ReconcileItem> PullAtMost(AsyncGenerator<ReconcileItem> items, std::size_t count) {
  std::vector<ReconcileItem> pulled;
  while (pulled.size() < count) {
    auto item = Pull(items);
    if (!item) break;
    pulled.push_back(*std::move(item));
  }
  return pulled;
}

std::vector<Recorded> RecordsOf(const std::vector<ReconcileItem>& items) {
  std::vector<Recorded> records;
  for (const ReconcileItem& item : items) {
    if (const auto* plan = std::get_if<Plan>(&item)) {
      records.emplace_back(plan->digest, plan->part, PathsOf(*plan));
    } else if (const auto* error = std::get_if<ItemError>(&item)) {
      records.emplace_back(Digest(), 0, std::vector{error->path});
    }
  }
  return records;
}

// Of the last checkpoint, and how many items there were up to it.
struct LastCheckpoint {
  explicit LastCheckpoint(const std::vector<ReconcileItem>& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto* checkpoint = std::get_if<ReconcileCheckpoint>(&items[i]);
      if (checkpoint == nullptr) continue;
      position = checkpoint->position;
      items_before = i;
    }
  }
  std::uint64_t position = 0;
  std::size_t items_before = 0;
};

// Small and large classes with plans, with errors, and with neither; one plan is in parts.
void FillDisk(ReconcileRig& rig) {
  for (std::size_t size = 1; size <= 60; ++size) AddClassesOfTwo(rig.disk, {size});
  AddCopies(rig.disk, "parts", 300, Content(100));
  AddCopies(rig.disk, "large", kLargeClassInodes, Content(200));
  for (std::size_t i = 0; i < kLargeClassInodes; ++i) {
    rig.disk.AddFile(absl::StrCat("/differ", i), Content(300, static_cast<char>('0' + i)));
  }
  rig.disk.AddFile("/x", Content(500, 'x'));
  rig.disk.AddFile("/y", Content(500, 'y'));
  rig.Scan();
  for (const char* path : {"/7_0", "/30_1", "/large3"}) rig.disk.Remove(path);
}

std::vector<ReconcileItem> RunUpTo(std::size_t count, std::uint64_t start_position = 0) {
  ReconcileRig rig;
  FillDisk(rig);
  rig.options.start_position = start_position;
  return PullAtMost(rig.Start(), count);
}

TEST(ResumedReconcile, GoesOnAtTheCheckpointAfterAnyCut) {
  const std::vector<ReconcileItem> whole = RunUpTo(SIZE_MAX);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::vector<ReconcileItem> log(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    const LastCheckpoint checkpoint(log);
    log.resize(checkpoint.items_before);
    const std::vector<ReconcileItem> rest = RunUpTo(SIZE_MAX, checkpoint.position);
    log.insert(log.end(), rest.begin(), rest.end());
    EXPECT_EQ(RecordsOf(log), RecordsOf(whole)) << cut;
  }
}

TEST(ResumedReconcile, ReadsNothingOfWhatIsDecided) {
  const std::vector<ReconcileItem> whole = RunUpTo(SIZE_MAX);
  for (const ReconcileItem& item : whole) {
    const auto* checkpoint = std::get_if<ReconcileCheckpoint>(&item);
    if (checkpoint == nullptr) continue;
    ReconcileRig rig;
    FillDisk(rig);
    rig.options.start_position = checkpoint->position;
    rig.Run();
    for (const FakeDisk::Read& read : rig.disk.reads()) {
      const auto& files = rig.candidates.files();
      const auto name = std::ranges::find(files, read.path,
                                          [](const CandidateFile& file) { return file.file.path; });
      EXPECT_GE(name - files.begin(), checkpoint->position) << read.path;
    }
  }
}

TEST(ResumedReconcile, RepeatsOnlyWhatCameSinceTheCheckpoint) {
  std::size_t since = 0;
  for (const ReconcileItem& item : RunUpTo(SIZE_MAX)) {
    since = std::holds_alternative<ReconcileCheckpoint>(item) ? 0 : since + 1;
    EXPECT_LE(since, kSmallBatchInodes);
  }
}

TEST(ReconcileCheckpoints, LastOneIsTheEndOfTheList) {
  ReconcileRig rig;
  FillDisk(rig);
  const Reconciled result = rig.Run();
  EXPECT_EQ(result.checkpoints.back(), rig.candidates.files().size());
  EXPECT_TRUE(std::ranges::is_sorted(result.checkpoints));
  EXPECT_EQ(std::ranges::adjacent_find(result.checkpoints), result.checkpoints.end());
  rig.options.start_position = result.checkpoints.back();
  const Reconciled rest = rig.Run();
  EXPECT_THAT(rest.plans, IsEmpty());
  EXPECT_THAT(rest.checkpoints, IsEmpty());
}

TEST(ReconcileCheckpoints, AreFewWhereThereIsNothingToSay) {
  ReconcileRig rig;
  constexpr std::size_t kClasses = kCheckpointNames * 3 / 2;
  for (std::size_t size = 1; size <= kClasses; ++size) {
    rig.disk.AddFile(absl::StrCat("/a", size), "a" + Content(size));
    rig.disk.AddFile(absl::StrCat("/b", size), "b" + Content(size));
  }
  const Reconciled result = rig.ScanAndRun();
  EXPECT_THAT(result.plans, IsEmpty());
  EXPECT_GE(result.checkpoints.size(), 2 * kClasses / kCheckpointNames);
  EXPECT_LE(result.checkpoints.size(), 2 * kClasses / kCheckpointNames + 1);
}

TEST(ReconcileCheckpoints, ComeSoonWhereMuchWasReadForNothing) {
  ReconcileRig rig;
  for (const std::size_t size : {10, 20, 30}) {
    rig.disk.AddFile(absl::StrCat("/a", size), Content(size, 'a'));
    rig.disk.AddFile(absl::StrCat("/b", size), Content(size, 'b'));
  }
  rig.Scan();
  for (CandidateFile& name : rig.candidates.files()) {
    name.file.stat.size *= kCheckpointBytes;
    rig.disk.stat(name.file.path).size *= kCheckpointBytes;
  }
  EXPECT_THAT(rig.Run().checkpoints, ElementsAre(2, 4, 6));
}

TEST(ReconcileCheckpoints, DoNotComeWithPlansThatAreSorted) {
  ReconcileRig rig;
  rig.options.order = ReconcileOptions::Order::kLargestFirst;
  FillDisk(rig);
  const Reconciled result = rig.Run();
  EXPECT_THAT(result.checkpoints, IsEmpty());
  EXPECT_THAT(result.plans, SizeIs(testing::Gt(60U)));
}

TEST(ReconcileIdentity, PlansWithinAScanNameIt) {
  for (const bool within_scan : {false, true}) {
    ReconcileRig rig;
    rig.options.within_scan = within_scan;
    AddCopies(rig.disk, "a", 2, "content");
    rig.Scan();
    for (CandidateFile& name : rig.candidates.files()) name.scan_index = 3;
    const Reconciled result = rig.Run();
    ASSERT_THAT(result.plans, SizeIs(1));
    EXPECT_EQ(result.plans[0].within_scan, within_scan ? std::optional(3U) : std::nullopt);
  }
}

TEST(ReconcileTotals, AreTheInodesOfClassesThatCanMakeAPlan) {
  for (const std::size_t copies : {std::size_t{2}, kLargeClassInodes}) {
    ReconcileRig rig;
    rig.options.min_copies = 2;
    AddCopies(rig.disk, "a", copies, "content");
    rig.disk.AddLink("/z", "/a0");
    rig.Scan();
    auto items = rig.Start();
    ASSERT_TRUE(Pull(items));
    EXPECT_EQ(rig.counters.items_total, copies);
    EXPECT_EQ(rig.counters.group.items, copies);
  }
}

TEST(ReconcileTotals, AreUnknownWhereTheListDoesNotSay) {
  class SilentList final : public CandidateList {
    absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t, std::size_t) override {
      return std::vector<CandidateFile>();
    }
  } list;
  ReconcileRig rig;
  auto items = Reconcile(rig.options, {.candidates = Borrowed(list),
                                       .digester = rig.disk,
                                       .scope = rig.scope,
                                       .counters = rig.counters,
                                       .spool_directory = testing::TempDir()});
  EXPECT_FALSE(Pull(items));
  EXPECT_EQ(rig.counters.items_total, 0U);
}

}  // namespace
}  // namespace sluice
