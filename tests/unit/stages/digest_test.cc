#include "pipeline/stages/digest.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/pipe.h"
#include "pipeline/stages/enumerate.h"
#include "tests/unit/fs/fake_digester.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

constexpr auto kSha256 = DigestAlgorithm::kSha256;

FileEntry File(std::string path, std::uint64_t inode, std::uint64_t size, std::uint32_t links = 1) {
  return {.path = std::move(path), .stat = {.size = size, .inode = inode, .link_count = links}};
}

// The files that `make_file` makes of 0, 1, 2 ...
template <typename MakeFile>
std::vector<ScanItem> Files(std::uint64_t count, MakeFile make_file) {
  std::vector<ScanItem> items;
  items.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) items.emplace_back(make_file(i));
  return items;
}

// Yields `items`, counting in `pulled`; then fails with `end`, if that is an error.
AsyncGenerator<ScanItem> Source(std::vector<ScanItem> items, std::atomic<std::size_t>* pulled,
                                absl::Status end = absl::OkStatus()) {
  for (ScanItem& item : items) {
    ++*pulled;
    co_yield std::move(item);
  }
  ThrowIfError(end);
}

Task<std::optional<ScanItem>> NextOf(AsyncGenerator<ScanItem>* source) {
  co_return co_await source->Next();
}

class DigestTest : public testing::Test {
 protected:
  ~DigestTest() override { SyncWait(scope_.Join()); }

  AsyncGenerator<ScanItem> All(std::vector<ScanItem> items, std::size_t concurrency = 3) {
    return DigestAll(Source(std::move(items), &pulled_), kSha256, concurrency, deps_);
  }
  AsyncGenerator<ScanItem> Candidates(std::vector<ScanItem> items) {
    return DigestCandidates(Source(std::move(items), &pulled_), kSha256, 3, testing::TempDir(),
                            deps_);
  }
  static std::vector<ScanItem> Run(AsyncGenerator<ScanItem> items) {
    return SyncWait(std::move(items) | Collect());
  }
  // Paths of the files that have a digest.
  static std::set<std::string> Digested(const std::vector<ScanItem>& items) {
    std::set<std::string> paths;
    for (const ScanItem& item : items) {
      const auto* file = std::get_if<FileEntry>(&item);
      if (file != nullptr && file->digest) paths.insert(file->path);
    }
    return paths;
  }

  std::atomic<std::size_t> pulled_ = 0;
  FakeDigester::Answer answer_;
  FakeDigester digester_{[this](const DigestRequest& request) -> ItemResult<ContentDigest> {
    return answer_ ? answer_(request) : FakeDigester::DigestOf(request.expected);
  }};
  PipelineCounters counters_;
  ThreadPool pool_{3};
  JobScope scope_{pool_};
  DigestDeps deps_{.digester = digester_, .scope = scope_, .counters = counters_};
};

using DigestAllTest = DigestTest;
using DigestCandidatesTest = DigestTest;

TEST_F(DigestAllTest, DigestsEveryRegularFile) {
  const auto items = Files(500, [](auto i) { return File(std::to_string(i), i, i); });
  std::vector<ScanItem> expected = items;
  for (ScanItem& item : expected) {
    auto& file = std::get<FileEntry>(item);
    file.digest = FakeDigester::DigestOf(file.stat).digest;
  }
  EXPECT_THAT(Run(All(items)), testing::UnorderedElementsAreArray(expected));
}

TEST_F(DigestAllTest, HugeFileHoldsBackNoSmallOnes) {
  std::latch small_ones_are_out(1);
  answer_ = [&](const DigestRequest& request) -> ItemResult<ContentDigest> {
    if (request.path == "/huge") small_ones_are_out.wait();
    return FakeDigester::DigestOf(request.expected);
  };
  auto items = Files(4 * kDigestChunkItems, [](auto i) { return File(std::to_string(i), i, 1); });
  items.insert(items.begin(), File("/huge", 1000, kDigestChunkBytes));
  auto digested = All(items);
  for (std::size_t i = 1; i < items.size(); ++i) EXPECT_TRUE(SyncWait(NextOf(&digested)));
  small_ones_are_out.count_down();
  EXPECT_EQ(std::get<FileEntry>(*SyncWait(NextOf(&digested))).path, "/huge");
}

TEST_F(DigestAllTest, PassesAllElseUntouched) {
  FileEntry link = File("/link", 1, 5);
  link.stat.type = FileType::kSymlink;
  const std::vector<ScanItem> items = {link, ItemError{.path = "/error"},
                                       SkippedItem{.path = "/skipped"}};
  EXPECT_EQ(Run(All(items)), items);
  EXPECT_TRUE(digester_.read().empty());
}

TEST_F(DigestAllTest, TurnsAFileThatFailsIntoItsError) {
  answer_ = [](const DigestRequest& request) -> ItemResult<ContentDigest> {
    if (request.path == "/bad") return MakeItemError(request.path, "read", EIO);
    return FakeDigester::DigestOf(request.expected);
  };
  const std::vector<ScanItem> items = Run(All({File("/bad", 1, 1), File("/good", 2, 1)}));
  EXPECT_EQ(items.at(0), ScanItem(MakeItemError("/bad", "read", EIO)));
  EXPECT_EQ(Digested(items), std::set<std::string>{"/good"});
}

TEST_F(DigestAllTest, RecordsTheVersionThatWasRead) {
  answer_ = [](const DigestRequest& request) -> ItemResult<ContentDigest> {
    EXPECT_EQ(request.on_change, DigestRequest::OnChange::kFollow);
    FileStat grown = request.expected;
    grown.size = 99;
    return FakeDigester::DigestOf(grown);
  };
  const std::vector<ScanItem> items = Run(All({File("/log", 1, 1)}));
  EXPECT_EQ(std::get<FileEntry>(items.at(0)).stat.size, 99U);
}

TEST_F(DigestAllTest, CountsFilesAndBytesRead) {
  Run(All({File("/a", 1, 10), File("/b", 2, 20)}));
  EXPECT_EQ(counters_.digest.items, 2U);
  EXPECT_EQ(counters_.digest.bytes, 30U);
}

TEST_F(DigestAllTest, KnowsItsTotalsWhenTheSourceHasEnded) {
  auto files = All({File("/a", 1, 10), File("/b", 2, kDigestChunkBytes), File("/c", 3, 30)}, 1);
  EXPECT_TRUE(SyncWait(NextOf(&files)));
  EXPECT_EQ(counters_.items_total, 0U);
  while (SyncWait(NextOf(&files))) continue;
  EXPECT_EQ(counters_.items_total, 3U);
  EXPECT_EQ(counters_.bytes_total, kDigestChunkBytes + 40);
}

TEST_F(DigestAllTest, ReadsAFileWithSeveralNamesOnce) {
  const auto items = Files(200, [](auto i) { return File(std::to_string(i), 1, 10, 200); });
  EXPECT_EQ(Digested(Run(All(items))).size(), items.size());
  EXPECT_EQ(digester_.read().size(), 1U);
  EXPECT_EQ(counters_.digest.bytes, 10U);
}

TEST_F(DigestAllTest, PullsNoFurtherAheadThanItsBound) {
  constexpr std::size_t kConcurrency = 2;
  AsyncGenerator<ScanItem> files = All(std::vector<ScanItem>(1000, File("/a", 1, 1)), kConcurrency);
  EXPECT_EQ(pulled_, 0U);
  for (std::size_t taken = 0; SyncWait(NextOf(&files)); ++taken) {
    EXPECT_LE(pulled_ - taken, (kConcurrency + 1) * kDigestChunkItems);
  }
  EXPECT_EQ(pulled_, 1000U);
}

TEST_F(DigestAllTest, PullsFewLargeFilesAtATime) {
  AsyncGenerator<ScanItem> files =
      All(std::vector<ScanItem>(10, File("/large", 1, kDigestChunkBytes)), 1);
  EXPECT_TRUE(SyncWait(NextOf(&files)));
  EXPECT_LE(pulled_, 2U);
}

// What a base scan recorded of these files; trusted before the time 100.
RecordedDigests BaseOf(const std::vector<FileEntry>& files) {
  RecordedDigests::Builder builder(kSha256, 100, testing::TempDir());
  for (const FileEntry& file : files) builder.Add(file);
  ThreadPool pool(1);
  return SyncWait(builder.Finish(pool));
}

FileEntry WithDigest(FileEntry file) {
  file.digest = FakeDigester::DigestOf(file.stat).digest;
  return file;
}

TEST_F(DigestAllTest, TakesOverTheDigestsOfTheSameVersionsUnread) {
  FileEntry changed = File("/changed", 2, 10);
  FileEntry racy = File("/racy", 3, 10);
  racy.stat.change_time_ns = 100;
  const RecordedDigests base = BaseOf(
      {WithDigest(File("/old", 1, 10)), WithDigest(changed), WithDigest(racy), File("/b", 4, 10)});
  ++changed.stat.modify_time_ns;
  deps_.base = &base;
  const auto items = Run(All({File("/moved", 1, 10), changed, racy, File("/b", 4, 10)}));
  EXPECT_EQ(Digested(items).size(), 4U);
  EXPECT_THAT(digester_.read(), testing::UnorderedElementsAre("/changed", "/racy", "/b"));
  EXPECT_EQ(counters_.digest.items, 3U);
  EXPECT_EQ(counters_.items_total, 3U);
}

TEST_F(DigestCandidatesTest, TakesOverDigestsOfFilesThatShareTheirSizeOnly) {
  const RecordedDigests base =
      BaseOf({WithDigest(File("/a", 1, 5)), WithDigest(File("/alone", 2, 6))});
  deps_.base = &base;
  const auto items = Run(Candidates({File("/a", 1, 5), File("/alone", 2, 6), File("/b", 3, 5)}));
  EXPECT_EQ(Digested(items), (std::set<std::string>{"/a", "/b"}));
  EXPECT_EQ(digester_.read(), std::vector<std::string>{"/b"});
  EXPECT_EQ(counters_.items_total, 1U);
  EXPECT_EQ(counters_.bytes_total, 5U);
}

TEST_F(DigestAllTest, EndsWithTheFailureOfItsSource) {
  AsyncGenerator<ScanItem> files = DigestAll(
      Source({File("/a", 1, 1)}, &pulled_, absl::DataLossError("cut")), kSha256, 1, deps_);
  EXPECT_THROW(SyncWait(NextOf(&files)), StatusError);
}

TEST_F(DigestAllTest, EndsAsCancelledWhenStoppedInTheMiddle) {
  answer_ = [this](const DigestRequest& request) -> ItemResult<ContentDigest> {
    if (request.path == "/stop") scope_.RequestStop();
    return FakeDigester::DigestOf(request.expected);
  };
  EXPECT_THROW(Run(All({File("/a", 1, 1), File("/stop", 2, 1), File("/c", 3, 1)})), Cancelled);
  EXPECT_EQ(digester_.read(), (std::vector<std::string>{"/a", "/stop"}));
}

TEST_F(DigestAllTest, StopsItsThreadsWhenDroppedHalfWay) {
  {
    AsyncGenerator<ScanItem> files = All(std::vector<ScanItem>(1000, File("/a", 1, 1)));
    EXPECT_TRUE(SyncWait(NextOf(&files)));
  }
  SyncWait(scope_.Join());
  EXPECT_LT(pulled_, 1000U);
}

TEST_F(DigestAllTest, DigestsRealFilesAsEnumerated) {
  const TempTree tree;
  tree.Write("sub/abc", "abc");
  const AllowedRoots roots = tree.Roots();
  FileContentDigester digester(roots);
  const std::vector<ScanItem> items = Run(
      DigestAll(EnumerateTree({.roots = {tree.root()}}, {.roots = roots, .counters = counters_}),
                kSha256, 2, {.digester = digester, .scope = scope_, .counters = counters_}));
  const auto& file = std::get<FileEntry>(items.at(0));
  EXPECT_EQ(DigestText(*file.digest),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(file.stat, tree.Stat("sub/abc"));
}

TEST_F(DigestCandidatesTest, ReadsOnlyFilesThatShareTheirSize) {
  const std::vector<ScanItem> items =
      Run(Candidates({File("/a", 1, 5), File("/alone", 2, 6), File("/b", 3, 5)}));
  EXPECT_EQ(items.size(), 3U);
  EXPECT_EQ(Digested(items), (std::set<std::string>{"/a", "/b"}));
  EXPECT_EQ(digester_.read().size(), 2U);
}

TEST_F(DigestCandidatesTest, TakesTheNamesOfOneInodeForOneFile) {
  const std::vector<ScanItem> items = Run(Candidates({File("/a", 1, 5, 2), File("/b", 1, 5, 2)}));
  EXPECT_EQ(items.size(), 2U);
  EXPECT_TRUE(Digested(items).empty());
}

TEST_F(DigestCandidatesTest, ReadsAnInodeOnceWhateverItsNames) {
  auto items = Files(200, [](auto i) { return File("/a" + std::to_string(i), 1, 5, 200); });
  items.emplace_back(File("/b", 2, 5));
  EXPECT_EQ(Digested(Run(Candidates(items))).size(), 201U);
  EXPECT_EQ(digester_.read().size(), 2U);
}

TEST_F(DigestCandidatesTest, YieldsFilesInOrderOfTheirSize) {
  const auto items =
      Files(300, [](auto i) { return File("/" + std::to_string(i), i, i * 7919 % 101); });
  const std::vector<ScanItem> files = Run(Candidates(items));
  EXPECT_EQ(files.size(), items.size());
  const auto size = [](const ScanItem& item) { return std::get<FileEntry>(item).stat.size; };
  EXPECT_TRUE(std::ranges::is_sorted(files, {}, size));
}

TEST_F(DigestCandidatesTest, PassesWhatIsNoRegularFileAtOnce) {
  FileEntry link = File("/link", 1, 5);
  link.stat.type = FileType::kSymlink;
  AsyncGenerator<ScanItem> items =
      Candidates({File("/a", 2, 5), link, ItemError{.path = "/error"}, File("/b", 3, 5)});
  EXPECT_EQ(SyncWait(NextOf(&items)), ScanItem(link));
  EXPECT_EQ(SyncWait(NextOf(&items)), ScanItem(ItemError{.path = "/error"}));
  EXPECT_EQ(pulled_, 3U);
}

TEST_F(DigestCandidatesTest, TakesMoreFilesThanItKeepsInMemory) {
  constexpr std::uint64_t kFiles = 20'000;  // Of 300 bytes each: more than the spool's budget.
  const auto items = Files(kFiles, [](auto i) {
    return File("/" + std::string(300, 'x') + std::to_string(i), i, i / 2 + i % 2);
  });
  const std::vector<ScanItem> files = Run(Candidates(items));
  EXPECT_EQ(files.size(), kFiles);
  EXPECT_EQ(Digested(files).size(), kFiles - 2);  // Sizes 0 and 10,000 have one file each.
}

TEST_F(DigestCandidatesTest, KnowsItsTotalsBeforeItReads) {
  answer_ = [this](const DigestRequest& request) -> ItemResult<ContentDigest> {
    EXPECT_EQ(counters_.items_total, 3U);
    EXPECT_EQ(counters_.bytes_total, 10U);
    return FakeDigester::DigestOf(request.expected);
  };
  Run(Candidates(
      {File("/a", 1, 5, 2), File("/alone", 2, 6), File("/b", 3, 5), File("/c", 1, 5, 2)}));
  EXPECT_EQ(counters_.digest.items, 3U);
  EXPECT_EQ(counters_.digest.bytes, 10U);
}

TEST_F(DigestCandidatesTest, EndsWithTheFailureOfItsSource) {
  AsyncGenerator<ScanItem> files =
      DigestCandidates(Source({File("/a", 1, 1)}, &pulled_, absl::DataLossError("cut")), kSha256, 1,
                       testing::TempDir(), deps_);
  EXPECT_THROW(SyncWait(NextOf(&files)), StatusError);
}

}  // namespace
}  // namespace sluice
