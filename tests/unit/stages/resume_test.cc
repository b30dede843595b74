// Jobs that are cut off after any of their items, and go on from what they have recorded.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/stages/digest.h"
#include "pipeline/stages/recorded_items.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/fake_digester.h"

namespace sluice {
namespace {

// Files that share their size with others, or do not; and what is no regular file.
std::vector<ScanItem> Tree() {
  std::vector<ScanItem> tree;
  for (std::uint64_t i = 1; i <= 40; ++i) {
    FileEntry file{.path = absl::StrCat("/", i),
                   .stat = {.size = i % 25, .inode = i, .link_count = 1},
                   .digest = {}};
    if (i % 10 == 0) file.stat.type = FileType::kSymlink;
    tree.emplace_back(std::move(file));
  }
  return tree;
}

AsyncGenerator<ScanItem> Walk(std::vector<ScanItem> tree) {
  for (ScanItem& item : tree) co_yield std::move(item);
}

using Pipeline = AsyncGenerator<ScanItem> (*)(AsyncGenerator<ScanItem> walk, DigestDeps deps);

AsyncGenerator<ScanItem> WithoutDigests(AsyncGenerator<ScanItem> walk, DigestDeps deps) {
  return NotYetRecorded(std::move(walk), deps.recorded);
}
AsyncGenerator<ScanItem> WithAllDigests(AsyncGenerator<ScanItem> walk, DigestDeps deps) {
  return DigestAll(std::move(walk), DigestAlgorithm::kSha256, 2, deps);
}
AsyncGenerator<ScanItem> WithDigestsOfCandidates(AsyncGenerator<ScanItem> walk, DigestDeps deps) {
  return DigestCandidates(std::move(walk), DigestAlgorithm::kSha256, 2, testing::TempDir(), deps);
}

using Log = std::vector<FileEntry>;

// One run of a scan over `tree`, cut off after `cut` items.
struct ScanRun {
  ScanRun(Pipeline pipeline, const std::vector<ScanItem>& tree, std::optional<std::size_t> cut,
          const Log& recorded) {
    ThreadPool pool(2);
    JobScope scope(pool);
    {
      RecordedItems::Builder builder(testing::TempDir());
      for (const FileEntry& file : recorded) builder.Add(file);
      const RecordedItems items = SyncWait(builder.Finish(pool));
      auto files = pipeline(
          Walk(tree),
          {.digester = digester, .scope = scope, .counters = counters, .recorded = &items});
      while (!cut || log.size() < *cut) {
        auto item = Pull(files);
        if (!item) break;
        log.push_back(std::get<FileEntry>(*std::move(item)));
      }
    }
    SyncWait(scope.Join());
  }

  FakeDigester digester;
  PipelineCounters counters;
  Log log;
};

std::map<std::string, FileEntry> ByPath(const Log& log) {
  std::map<std::string, FileEntry> files;
  for (const FileEntry& file : log) files[file.path] = file;
  return files;
}

class ResumedScan : public testing::TestWithParam<Pipeline> {};

TEST_P(ResumedScan, RecordsWhatAnUninterruptedOneDoesOnceAfterAnyCut) {
  const ScanRun whole(GetParam(), Tree(), {}, {});
  for (std::size_t cut = 0; cut <= whole.log.size(); ++cut) {
    Log log = ScanRun(GetParam(), Tree(), cut, {}).log;
    const ScanRun rest(GetParam(), Tree(), {}, log);
    log.insert(log.end(), rest.log.begin(), rest.log.end());
    EXPECT_EQ(log.size(), whole.log.size()) << cut;
    EXPECT_EQ(ByPath(log), ByPath(whole.log)) << cut;
  }
}

TEST_P(ResumedScan, ReadsNothingThatWasRecorded) {
  const ScanRun whole(GetParam(), Tree(), {}, {});
  for (std::size_t cut = 0; cut <= whole.log.size(); ++cut) {
    const Log log = ScanRun(GetParam(), Tree(), cut, {}).log;
    const auto recorded = ByPath(log);
    const ScanRun rest(GetParam(), Tree(), {}, log);
    for (const std::string& path : rest.digester.read()) EXPECT_FALSE(recorded.contains(path));
    EXPECT_EQ(rest.counters.digest.items, rest.digester.read().size());
    if (GetParam() != &WithoutDigests) {
      EXPECT_EQ(rest.counters.items_total, rest.counters.digest.items);
      EXPECT_EQ(rest.counters.bytes_total, rest.counters.digest.bytes);
    }
  }
}

TEST_P(ResumedScan, SurvivesBeingCutOffAgainAndAgain) {
  const ScanRun whole(GetParam(), Tree(), {}, {});
  Log log;
  for (std::size_t runs = 0; runs < whole.log.size(); ++runs) {
    const ScanRun run(GetParam(), Tree(), 1, log);
    ASSERT_EQ(run.log.size(), 1U);
    log.push_back(run.log.front());
  }
  EXPECT_EQ(ByPath(log), ByPath(whole.log));
  EXPECT_TRUE(ScanRun(GetParam(), Tree(), {}, log).log.empty());
}

TEST_P(ResumedScan, RecordsFilesThatChangedSinceOnceMoreAndNoneThatVanished) {
  std::vector<ScanItem> tree = Tree();
  const Log log = ScanRun(GetParam(), tree, {}, {}).log;
  ++std::get<FileEntry>(tree[3]).stat.change_time_ns;
  tree.erase(tree.begin() + 7);
  FileEntry created = std::get<FileEntry>(tree[0]);
  created.path = "/new";
  created.stat.inode = 1000;
  tree.emplace_back(created);
  std::set<std::string> paths;
  for (const FileEntry& file : ScanRun(GetParam(), tree, {}, log).log) paths.insert(file.path);
  EXPECT_EQ(paths, (std::set<std::string>{"/4", "/new"}));
}

TEST(ResumedScanOfCandidates, RecordedFilesStillShareTheirSizeWithOthers) {
  FileEntry recorded{.path = "/a", .stat = {.size = 5, .inode = 1, .link_count = 1}, .digest = {}};
  FileEntry created = recorded;
  created.path = "/b";
  created.stat.inode = 2;
  const ScanRun run(&WithDigestsOfCandidates, {recorded, created}, {}, {recorded});
  ASSERT_EQ(run.log.size(), 1U);
  EXPECT_EQ(run.log[0].path, "/b");
  EXPECT_TRUE(run.log[0].digest);
}

std::string NameOf(const testing::TestParamInfo<Pipeline>& info) {
  if (info.param == &WithoutDigests) return "None";
  return info.param == &WithAllDigests ? "All" : "Candidates";
}

INSTANTIATE_TEST_SUITE_P(Policies, ResumedScan,
                         testing::Values(&WithoutDigests, &WithAllDigests,
                                         &WithDigestsOfCandidates),
                         NameOf);

}  // namespace
}  // namespace sluice
