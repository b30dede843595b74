// A huge job and a small one on the only thread there is, which the test is: it counts the turns.
#include "pipeline/stages/fairness.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/pipe.h"
#include "pipeline/stages/digest.h"
#include "pipeline/stages/enumerate.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/fake_digester.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

using Items = std::vector<ScanItem>;

// A scan of one directory of the tree, from its walk to its digests.
class Scan final {
 public:
  Scan(const TempTree& tree, const std::string& directory, Executor& executor)
      : roots_(tree.Roots()), digester_(roots_), scope_(executor) {
    auto files = EnumerateTree({.roots = {tree.Path(directory)}}, {.roots = roots_,
                                                                   .counters = counters_,
                                                                   .stop = scope_.stop_token(),
                                                                   .executor = &executor});
    started_.emplace(DigestAll(std::move(files), DigestAlgorithm::kSha256, 1,
                               {.digester = digester_, .scope = scope_, .counters = counters_}) |
                     Collect());
  }

  bool done() const { return started_->done(); }
  Items Get() { return started_->Get(); }
  const PipelineCounters& counters() const { return counters_; }
  JobScope& scope() { return scope_; }

 private:
  const AllowedRoots roots_;
  FileContentDigester digester_;
  PipelineCounters counters_;
  JobScope scope_;
  std::optional<Started<Items>> started_;
};

void JoinOn(ManualExecutor& executor, JobScope& scope) {
  Started<void> join(scope.Join());
  executor.RunAll();
  join.Get();
}

// Turns of the thread until the scan has ended.
std::size_t TurnsUntilDone(const Scan& scan, ManualExecutor& executor) {
  std::size_t turns = 0;
  while (!scan.done() && executor.RunOne()) ++turns;
  return turns;
}

TEST(Fairness, SmallScanEndsWhileAHugeFileIsBeingDigested) {
  const TempTree tree;
  std::filesystem::resize_file(tree.Write("huge/file"), std::uintmax_t{1} << 30);
  tree.Write("small/file", "abc");
  ManualExecutor executor;
  Scan huge(tree, "huge", executor);
  Scan small(tree, "small", executor);
  const std::size_t turns = TurnsUntilDone(small, executor);
  EXPECT_EQ(small.Get().size(), 1U);
  EXPECT_FALSE(huge.done());
  EXPECT_GE(huge.counters().reading, FileContentDigester::kYieldBytes);
  EXPECT_LE(huge.counters().reading, turns * FileContentDigester::kYieldBytes);
  EXPECT_LE(turns, 20U);
  huge.scope().RequestStop();
  executor.RunAll();
  EXPECT_THROW(huge.Get(), Cancelled);
  JoinOn(executor, huge.scope());
  JoinOn(executor, small.scope());
}

Task<> CountTurns(ManualExecutor& executor, const bool& stop, std::size_t& turns) {
  while (!stop) {
    co_await executor.Schedule();
    ++turns;
  }
}

// How often another coroutine got the thread while the items were drained.
std::size_t TurnsOfOthers(AsyncGenerator<ScanItem> items, ManualExecutor& executor) {
  std::size_t turns = 0;
  bool stop = false;
  Started<void> other(CountTurns(executor, stop, turns));
  Started<Items> drained(std::move(items) | Collect());
  while (!drained.done()) executor.RunOne();
  stop = true;
  executor.RunAll();
  return turns;
}

TEST(Fairness, WalkThatYieldsNothingGivesItsThreadBack) {
  const TempTree tree;
  constexpr std::uint64_t kFiles = 4 * kYieldItems;
  for (std::uint64_t i = 0; i < kFiles; ++i) tree.Write(absl::StrCat(i));
  const AllowedRoots roots = tree.Roots();
  PipelineCounters counters;
  ManualExecutor executor;
  auto nothing = EnumerateTree({.roots = {tree.root()}, .types = {FileType::kFifo}},
                               {.roots = roots, .counters = counters, .executor = &executor});
  EXPECT_GE(TurnsOfOthers(std::move(nothing), executor), kFiles / kYieldItems);
  EXPECT_TRUE(counters.enumerated_all);
}

AsyncGenerator<ScanItem> FilesOfTheirOwnSize(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    co_yield FileEntry{.path = absl::StrCat("/", std::string(200, 'x'), i),
                       .stat = {.size = i, .inode = i, .link_count = 1},
                       .digest = {}};
  }
}

TEST(Fairness, SortingOfManyFilesGivesItsThreadBack) {
  constexpr std::uint64_t kFiles = 50'000;  // Several runs in the spool.
  FakeDigester digester;
  PipelineCounters counters;
  ManualExecutor executor;
  JobScope scope(executor);
  auto files =
      DigestCandidates(FilesOfTheirOwnSize(kFiles), DigestAlgorithm::kSha256, 1, testing::TempDir(),
                       {.digester = digester, .scope = scope, .counters = counters});
  // A merge of all, and two passes over what came of it.
  EXPECT_GE(TurnsOfOthers(std::move(files), executor), 3 * kFiles / kYieldItems);
  JoinOn(executor, scope);
}

}  // namespace
}  // namespace sluice
