// Groups that are too large for one plan, or for memory.
#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

// The million is for the build that is shipped; the others are several times slower.
#ifdef NDEBUG
constexpr std::uint64_t kCopies = 1'000'000;
#else
constexpr std::uint64_t kCopies = 100'000;
#endif

constexpr std::uint64_t kMemoryBound = 24 * 1024 * 1024;

// So many copies of one content, none of them in memory.
class EndlessCopies final : public CandidateList, public ContentDigester {
 public:
  absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t first, std::size_t limit) override {
    std::vector<CandidateFile> page;
    for (std::uint64_t i = first; i < kCopies && page.size() < limit; ++i) {
      const FileStat stat{
          .size = 100'000, .allocated_bytes = 1, .device = 1, .inode = i, .link_count = 1};
      page.push_back(
          {.file = {
               .path = absl::StrCat("/a/directory/of/copies/", i), .stat = stat, .digest = {}}});
    }
    return page;
  }

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& /*executor*/,
                                             std::stop_token /*stop*/) override {
    co_return ContentDigest{.digest = FakeDisk::DigestOf("content", request.algorithm),
                            .stat = request.expected};
  }
};

// What the parts came to, and the most memory that was in use meanwhile (0 under sanitizers, whose
// allocators do not say).
struct Totals {
  std::uint64_t parts = 0;
  std::uint64_t last_parts = 0;
  std::uint64_t copies = 0;
  std::uint64_t recoverable_bytes = 0;
  std::size_t largest_part = 0;
  std::size_t peak_memory = 0;
};

Task<Totals> Summarize(AsyncGenerator<ReconcileItem> items) {
  Totals totals;
  const std::size_t before = ::mallinfo2().uordblks;
  while (auto item = co_await items.Next()) {
    if (!std::holds_alternative<Plan>(*item)) continue;
    const Plan& plan = std::get<Plan>(*item);
    ++totals.parts;
    totals.last_parts += plan.last_part ? 1 : 0;
    totals.copies += plan.copies.size();
    totals.recoverable_bytes += plan.recoverable_bytes;
    totals.largest_part = std::max(totals.largest_part, plan.copies.size());
    const std::size_t now = ::mallinfo2().uordblks;
    totals.peak_memory = std::max(totals.peak_memory, now - std::min(now, before));
  }
  co_return totals;
}

void ExpectManyCopiesPass(ReconcileOptions::Order order) {
  EndlessCopies copies;
  PipelineCounters counters;
  ThreadPool pool(2);
  JobScope scope(pool);
  const Totals totals = SyncWait(Summarize(Reconcile(
      {.order = order, .concurrency = 2}, {.candidates = {std::shared_ptr<void>(), &copies},
                                           .digester = copies,
                                           .scope = scope,
                                           .counters = counters,
                                           .spool_directory = testing::TempDir()})));
  SyncWait(scope.Join());
  EXPECT_EQ(totals.parts, (kCopies + kMaxCopiesPerPart - 1) / kMaxCopiesPerPart);
  EXPECT_EQ(totals.last_parts, 1u);
  EXPECT_EQ(totals.copies, kCopies);
  EXPECT_EQ(totals.recoverable_bytes, kCopies - 1);
  EXPECT_EQ(totals.largest_part, kMaxCopiesPerPart);
  // Held in memory the copies alone would take several times as much.
  EXPECT_LE(totals.peak_memory, kMemoryBound);
}

TEST(ReconcileScale, AMillionCopiesPassInPartsInBoundedMemory) {
  ExpectManyCopiesPass(ReconcileOptions::Order::kByPotential);
}

TEST(ReconcileScale, AMillionCopiesAreSortedInBoundedMemory) {
  ExpectManyCopiesPass(ReconcileOptions::Order::kLargestFirst);
}

TEST(ReconcileScale, InodeCountsInThePartThatHoldsItsLastName) {
  ReconcileRig rig;
  rig.options.keep = {{.criterion = KeepRule::Criterion::kLowestInode, .glob = {}, .pattern = {}}};
  AddCopies(rig.disk, "source", 1, "content");
  AddCopies(rig.disk, "linked", 1, "content");
  for (std::size_t i = 1; i < 600; ++i) rig.disk.AddLink(absl::StrCat("/linked", i), "/linked0");
  std::vector<std::size_t> copies;
  std::vector<std::uint64_t> bytes;
  for (const Plan& plan : rig.ScanAndRun().plans) {
    copies.push_back(plan.copies.size());
    bytes.push_back(plan.recoverable_bytes);
    EXPECT_EQ(plan.total_copies, 601u);
    EXPECT_EQ(plan.total_recoverable_bytes, 7u);
    EXPECT_EQ(plan.source_of_truth.path, "/source0");
  }
  EXPECT_THAT(copies, ElementsAre(256, 256, 89));
  EXPECT_THAT(bytes, ElementsAre(0, 0, 7));
}

TEST(ReconcileScale, PartsAreCutWhereTheirPathsBecomeLong) {
  ReconcileRig rig;
  for (char name = 'a'; name <= 'e'; ++name) {
    rig.disk.AddFile("/" + std::string(100'000, name), "content");
  }
  rig.disk.AddFile("/" + std::string(2 * kMaxPathBytesPerPart, 'f'), "content");
  std::vector<std::size_t> copies;
  for (const Plan& plan : rig.ScanAndRun().plans) {
    copies.push_back(plan.copies.size());
    EXPECT_EQ(plan.part, copies.size());
    EXPECT_EQ(plan.last_part, copies.size() == 4);
  }
  EXPECT_THAT(copies, ElementsAre(2, 2, 1, 1));
}

TEST(ReconcileScale, PartsOfOnePlanFollowEachOtherLargestFirst) {
  ReconcileRig rig;
  rig.options.order = ReconcileOptions::Order::kLargestFirst;
  AddCopies(rig.disk, "few", 2, Content(100));
  AddCopies(rig.disk, "many", 300, Content(10));
  std::vector<std::pair<std::uint64_t, std::uint32_t>> parts;
  for (const Plan& plan : rig.ScanAndRun().plans) parts.emplace_back(plan.size, plan.part);
  EXPECT_THAT(parts, ElementsAre(std::pair(10, 1), std::pair(10, 2), std::pair(100, 1)));
}

}  // namespace
}  // namespace sluice
