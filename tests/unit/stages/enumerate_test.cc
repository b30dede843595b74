#include "pipeline/stages/enumerate.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/pipe.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

using Reason = SkippedItem::Reason;
using Names = std::set<std::string>;

Task<std::optional<ScanItem>> NextOf(AsyncGenerator<ScanItem>* source) {
  co_return co_await source->Next();
}

class EnumerateTest : public testing::Test {
 protected:
  AsyncGenerator<ScanItem> Start(EnumerateOptions options) {
    if (options.roots.empty()) options.roots = {tree_.root()};
    return EnumerateTree(std::move(options), {.roots = roots_,
                                              .counters = counters_,
                                              .stop = stop_.get_token(),
                                              .protected_directories = protected_});
  }

  std::vector<ScanItem> Run(EnumerateOptions options) {
    return SyncWait(Start(std::move(options)) | Collect());
  }

  // Names of the files that are yielded.
  Names FilesOf(EnumerateOptions options) {
    Names names;
    for (const ScanItem& item : Run(std::move(options))) {
      if (const auto* file = std::get_if<FileEntry>(&item)) names.insert(NameOf(file->path));
    }
    return names;
  }

  // The only item that is left out, by its name.
  SkippedItem OnlySkipped(EnumerateOptions options) {
    options.report_skipped = true;
    std::vector<SkippedItem> skipped;
    for (const ScanItem& item : Run(std::move(options))) {
      if (const auto* left_out = std::get_if<SkippedItem>(&item)) {
        skipped.push_back({.path = NameOf(left_out->path), .reason = left_out->reason});
      }
    }
    EXPECT_EQ(skipped.size(), 1U);
    return skipped.empty() ? SkippedItem() : skipped.front();
  }

  std::string NameOf(const std::string& path) const {
    return path.size() > tree_.root().size() ? path.substr(tree_.root().size() + 1) : ".";
  }

  std::pair<std::uint64_t, std::uint64_t> Identity(std::string_view name) const {
    return {tree_.Stat(name).device, tree_.Stat(name).inode};
  }

  const TempTree tree_;
  const AllowedRoots roots_ = tree_.Roots();
  PipelineCounters counters_;
  std::stop_source stop_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> protected_;
};

TEST_F(EnumerateTest, TakesEverythingButDirectoriesUnasked) {
  tree_.Write("a/b/file");
  tree_.Write("a/.hidden");
  tree_.MakeSymlink("link", "a");
  tree_.MakeFifo("fifo");
  EXPECT_EQ(FilesOf({}), (Names{"a/b/file", "a/.hidden", "link", "fifo"}));
  EXPECT_EQ(counters_.skipped, 0U) << "directories by their type are no loss";
}

TEST_F(EnumerateTest, PathThatIsTooLongForAMessageIsAnErrorAndNotEntered) {
  tree_.Write("short/file");
  tree_.Write("short/much_longer/file");
  const std::size_t most = tree_.Path("short/file").size();
  const std::vector<ScanItem> items = Run({.max_path_bytes = most});
  ASSERT_EQ(items.size(), 2U);
  const bool error_first = std::holds_alternative<ItemError>(items[0]);
  const auto& error = std::get<ItemError>(items[error_first ? 0 : 1]);
  EXPECT_EQ(NameOf(error.path), "short/much_longer");
  EXPECT_EQ(error.error_number, ENAMETOOLONG);
}

TEST_F(EnumerateTest, RecordsWhatLstatSays) {
  tree_.Write("file", "12345");
  const std::vector<ScanItem> items = Run({});
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(std::get<FileEntry>(items[0]),
            (FileEntry{.path = tree_.Path("file"), .stat = tree_.Stat("file")}));
}

TEST_F(EnumerateTest, YieldsADirectoryBeforeItsContent) {
  tree_.Write("a/b/file");
  std::vector<std::string> names;
  for (const ScanItem& item : Run({.types = {FileType::kDirectory, FileType::kRegular}})) {
    names.push_back(NameOf(std::get<FileEntry>(item).path));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"a", "a/b", "a/b/file"}));
}

TEST_F(EnumerateTest, TakesOnlyTheTypesAskedForAndEntersDirectoriesAllTheSame) {
  tree_.Write("a/file");
  tree_.MakeSymlink("a/link", "file");
  EXPECT_EQ(FilesOf({.types = {FileType::kSymlink}}), Names{"a/link"});
  EXPECT_EQ(OnlySkipped({.types = {FileType::kSymlink}}), (SkippedItem{"a/file", Reason::kType}));
}

TEST_F(EnumerateTest, LeavesOutWhatIsExcludedWithAllBelowIt) {
  tree_.Write("build/a/b");
  tree_.Write("keep");
  EXPECT_EQ(FilesOf({.exclude = *GlobSet::Compile({"/build/"})}), Names{"keep"});
  EXPECT_EQ(OnlySkipped({.exclude = *GlobSet::Compile({"/build/"})}),
            (SkippedItem{"build", Reason::kGlob}));
}

TEST_F(EnumerateTest, TakesOnlyFilesThatAreIncluded) {
  tree_.Write("a/b/photo.jpg");
  tree_.Write("docs/text");
  tree_.Write("other");
  EXPECT_EQ(FilesOf({.include = *GlobSet::Compile({"*.jpg", "/docs/"})}),
            (Names{"a/b/photo.jpg", "docs/text"}));
  EXPECT_EQ(OnlySkipped({.include = *GlobSet::Compile({"*.jpg", "/docs/"})}),
            (SkippedItem{"other", Reason::kGlob}));
}

TEST_F(EnumerateTest, LetsExcludeWinOverInclude) {
  tree_.Write("a.jpg");
  tree_.Write("b.jpg");
  EXPECT_EQ(
      FilesOf({.include = *GlobSet::Compile({"*.jpg"}), .exclude = *GlobSet::Compile({"a*"})}),
      Names{"b.jpg"});
}

TEST_F(EnumerateTest, LeavesOutHiddenNamesWhenAsked) {
  tree_.Write(".git/config");
  tree_.Write("file");
  EXPECT_EQ(FilesOf({.skip_hidden = true}), Names{"file"});
  EXPECT_EQ(OnlySkipped({.skip_hidden = true}), (SkippedItem{".git", Reason::kHidden}));
}

TEST_F(EnumerateTest, BoundsTheSizeOfRegularFilesInclusively) {
  for (const std::size_t size : {1U, 2U, 3U, 4U}) {
    tree_.Write(std::to_string(size), std::string(size, 'x'));
  }
  tree_.MakeFifo("fifo");
  EXPECT_EQ(FilesOf({.min_size = 2, .max_size = 3}), (Names{"2", "3", "fifo"}));
  EXPECT_EQ(OnlySkipped({.max_size = 3}), (SkippedItem{"4", Reason::kSize}));
}

TEST_F(EnumerateTest, BoundsTheTimeOfRegularFilesFromInclusiveToExclusive) {
  for (const long ns : {10L, 20L, 30L}) {
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = ns}, {.tv_sec = 0, .tv_nsec = ns}};
    ASSERT_EQ(::utimensat(-1, tree_.Write(std::to_string(ns)).c_str(), times, 0), 0);
  }
  EXPECT_EQ(FilesOf({.modified_after_ns = 20, .modified_before_ns = 30}), Names{"20"});
  EXPECT_EQ(OnlySkipped({.modified_after_ns = 20}), (SkippedItem{"10", Reason::kTime}));
  EXPECT_EQ(OnlySkipped({.modified_before_ns = 30}), (SkippedItem{"30", Reason::kTime}));
}

TEST_F(EnumerateTest, EntersNoDirectoryAtTheGreatestDepth) {
  tree_.Write("1/2/3");
  tree_.Write("1/file");
  EXPECT_EQ(FilesOf({.max_depth = 2}), Names{"1/file"});
  EXPECT_EQ(OnlySkipped({.max_depth = 2}), (SkippedItem{"1/2", Reason::kDepth}));
  EXPECT_EQ(FilesOf({.max_depth = 2, .types = {FileType::kDirectory}}), (Names{"1", "1/2"}));
}

TEST_F(EnumerateTest, StaysOnTheFileSystemOfTheRootWhenAsked) {
  const AllowedRoots dev = *AllowedRoots::Open({"/dev"});
  FileStat parent;
  FileStat mounted;
  if (StatAt(-1, "/dev", &parent) != 0 || StatAt(-1, "/dev/shm", &mounted) != 0 ||
      parent.device == mounted.device) {
    GTEST_SKIP() << "/dev/shm is not mounted here";
  }
  const std::vector<ScanItem> items =
      SyncWait(EnumerateTree({.roots = {"/dev"}, .one_file_system = true, .report_skipped = true},
                             {.roots = dev, .counters = counters_}) |
               Collect());
  EXPECT_NE(std::ranges::find(items, ScanItem(SkippedItem{"/dev/shm", Reason::kMount})),
            items.end());
}

TEST_F(EnumerateTest, NeverEntersAProtectedDirectory) {
  tree_.Write("data/catalog");
  tree_.Write("file");
  protected_ = {Identity("data")};
  EXPECT_EQ(FilesOf({.types = {FileType::kRegular, FileType::kDirectory}}), Names{"file"});
  EXPECT_EQ(OnlySkipped({}), (SkippedItem{"data", Reason::kProtected}));
}

TEST_F(EnumerateTest, NeverBeginsInAProtectedDirectory) {
  tree_.Write("data/spool/file");
  protected_ = {Identity("data")};
  EXPECT_EQ(OnlySkipped({.roots = {tree_.Path("data")}}),
            (SkippedItem{"data", Reason::kProtected}));
  EXPECT_EQ(OnlySkipped({.roots = {tree_.Path("data/spool")}}),
            (SkippedItem{"data/spool", Reason::kProtected}));
}

TEST_F(EnumerateTest, NeverEntersOrBeginsInWhatIsPrivateToTheServer) {
  tree_.Write("a/.sluice/kept/file");
  tree_.Write("b/.sluice");  // No directory.
  EXPECT_EQ(FilesOf({.types = {FileType::kRegular}}), Names{"b/.sluice"});
  EXPECT_EQ(OnlySkipped({}), (SkippedItem{"a/.sluice", Reason::kProtected}));
  for (const char* root : {"a/.sluice", "a/.sluice/kept"}) {
    EXPECT_EQ(OnlySkipped({.roots = {tree_.Path(root)}}), (SkippedItem{root, Reason::kProtected}));
  }
}

TEST_F(EnumerateTest, CountsWhatIsLeftOutAlsoWhenNobodyAskedForIt) {
  tree_.Write(".a");
  tree_.Write(".b");
  EXPECT_TRUE(Run({.skip_hidden = true}).empty());
  EXPECT_EQ(counters_.skipped, 2U);
}

TEST_F(EnumerateTest, CountsEveryEntryAndTheSizesOfRegularFiles) {
  tree_.Write("a/file", "12345");
  tree_.MakeSymlink("link", "a");
  Run({.types = {FileType::kRegular}});
  EXPECT_EQ(counters_.enumerate.items, 3U);
  EXPECT_EQ(counters_.enumerate.bytes, 5U);
}

TEST_F(EnumerateTest, CountsTheTimeThatTheFileSystemTook) {
  tree_.Write("a/file");
  AsyncGenerator<ScanItem> files = Start({});
  EXPECT_EQ(counters_.enumerate.busy_ns, 0);
  EXPECT_TRUE(SyncWait(NextOf(&files)));
  const std::int64_t after_the_file = counters_.enumerate.busy_ns;
  EXPECT_GT(after_the_file, 0);
  EXPECT_FALSE(SyncWait(NextOf(&files)));
  EXPECT_GT(counters_.enumerate.busy_ns, after_the_file);
}

TEST_F(EnumerateTest, GoesOnAfterARootThatIsNotThere) {
  tree_.Write("here/file");
  const std::vector<ScanItem> items = Run({.roots = {tree_.Path("gone"), tree_.Path("here")}});
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(std::get<ItemError>(items[0]).path, tree_.Path("gone"));
  EXPECT_EQ(std::get<ItemError>(items[0]).reason, ItemError::Reason::kVanished);
  EXPECT_EQ(std::get<FileEntry>(items[1]).path, tree_.Path("here/file"));
}

TEST_F(EnumerateTest, TakesOneEntryForEachThatItsConsumerAsksFor) {
  for (int i = 0; i < 100; ++i) tree_.Write(std::to_string(i));
  AsyncGenerator<ScanItem> files = Start({});
  EXPECT_EQ(counters_.enumerate.items, 0U);
  for (std::uint64_t taken = 1; SyncWait(NextOf(&files)); ++taken) {
    EXPECT_EQ(counters_.enumerate.items, taken);
  }
}

TEST_F(EnumerateTest, ClosesEverythingWhenDroppedHalfWay) {
  tree_.Write("a/b/c/file");
  const std::size_t before = CountOpenDescriptors();
  {
    AsyncGenerator<ScanItem> files = Start({});
    EXPECT_TRUE(SyncWait(NextOf(&files)));
    EXPECT_GT(CountOpenDescriptors(), before);
  }
  EXPECT_EQ(CountOpenDescriptors(), before);
}

TEST_F(EnumerateTest, EndsAsCancelledWhenStopped) {
  tree_.Write("a");
  tree_.Write("b");
  AsyncGenerator<ScanItem> files = Start({});
  EXPECT_TRUE(SyncWait(NextOf(&files)));
  stop_.request_stop();
  EXPECT_THROW(SyncWait(NextOf(&files)), Cancelled);
}

// The walk by several hands.
class EnumerateConcurrentlyTest : public testing::TestWithParam<std::size_t> {
 protected:
  EnumerateConcurrentlyTest() : pool_(4), scope_(pool_) {}
  ~EnumerateConcurrentlyTest() override {
    scope_.RequestStop();
    SyncWait(scope_.Join());
  }

  // 340 files, 87 directories, in branches of very different sizes.
  void MakeBranches() {
    for (int i = 0; i < 12; ++i) {
      const std::string top = "d" + std::to_string(i);
      tree_.Write(top + "/f");
      for (int j = 0; j < i; ++j) {
        for (int k = 0; k < j; ++k) {
          tree_.Write(top + "/s" + std::to_string(j) + "/f" + std::to_string(k));
        }
      }
    }
    tree_.Write("f");
  }

  // More than any number of hands finds before it is asked.
  void MakeManyFiles() {
    for (std::size_t i = 0; i < kDirectories * kFiles; ++i) {
      tree_.Write("d" + std::to_string(i / kFiles) + "/f" + std::to_string(i));
    }
  }

  AsyncGenerator<ScanItem> Start(EnumerateOptions options) {
    if (options.roots.empty()) options.roots = {tree_.root()};
    return EnumerateTree(std::move(options),
                         {.roots = roots_, .counters = counters_, .stop = scope_.stop_token()},
                         scope_, GetParam());
  }
  std::vector<ScanItem> Run(EnumerateOptions options) {
    return SyncWait(Start(std::move(options)) | Collect());
  }

  // Each item as one line, in no order.
  static std::multiset<std::string> LinesOf(const std::vector<ScanItem>& items) {
    std::multiset<std::string> lines;
    for (const ScanItem& item : items) {
      if (const auto* file = std::get_if<FileEntry>(&item)) {
        lines.insert("file " + file->path + ' ' + std::to_string(file->stat.inode));
      } else if (const auto* skipped = std::get_if<SkippedItem>(&item)) {
        lines.insert("skipped " + skipped->path + ' ' +
                     std::to_string(static_cast<int>(skipped->reason)));
      } else {
        lines.insert("error " + std::get<ItemError>(item).path);
      }
    }
    return lines;
  }

  void ExpectSameAsOneWalker(const EnumerateOptions& options) {
    PipelineCounters counters;
    EnumerateOptions sequential = options;
    if (sequential.roots.empty()) sequential.roots = {tree_.root()};
    const auto expected = LinesOf(
        SyncWait(EnumerateTree(sequential, {.roots = roots_, .counters = counters}) | Collect()));
    EXPECT_FALSE(expected.empty());
    EXPECT_EQ(LinesOf(Run(options)), expected);
    EXPECT_EQ(counters_.enumerate.items, counters.enumerate.items);
    EXPECT_EQ(counters_.enumerate.bytes, counters.enumerate.bytes);
    EXPECT_EQ(counters_.skipped, counters.skipped);
    EXPECT_TRUE(counters_.enumerated_all);
  }

  static constexpr std::size_t kDirectories = 64;
  static constexpr std::size_t kFiles = 64;

  const TempTree tree_;
  const AllowedRoots roots_ = tree_.Roots();
  PipelineCounters counters_;
  ThreadPool pool_;
  JobScope scope_;
};

INSTANTIATE_TEST_SUITE_P(Hands, EnumerateConcurrentlyTest, testing::Values(1, 2, 3, 8));

TEST_P(EnumerateConcurrentlyTest, YieldsWhatOneWalkerDoes) {
  MakeBranches();
  ExpectSameAsOneWalker({});
}

TEST_P(EnumerateConcurrentlyTest, JudgesAsOneWalkerDoes) {
  MakeBranches();
  ExpectSameAsOneWalker({.exclude = *GlobSet::Compile({"d7", "**/s3", "f"}),
                         .one_file_system = true,
                         .max_depth = 2,
                         .types = {FileType::kRegular, FileType::kDirectory},
                         .report_skipped = true});
}

TEST_P(EnumerateConcurrentlyTest, SharesTheRoots) {
  MakeBranches();
  EnumerateOptions options;
  for (int i = 0; i < 12; ++i) options.roots.push_back(tree_.Path("d" + std::to_string(i)));
  options.roots.push_back(tree_.Path("absent"));
  ExpectSameAsOneWalker(options);
}

TEST_P(EnumerateConcurrentlyTest, GivesADirectoryBeforeItsContent) {
  MakeBranches();
  std::set<std::string> seen = {tree_.root()};
  for (const ScanItem& item : Run({.types = {FileType::kRegular, FileType::kDirectory}})) {
    const std::string& path = std::get<FileEntry>(item).path;
    EXPECT_TRUE(seen.contains(path.substr(0, path.rfind('/')))) << path;
    seen.insert(path);
  }
}

TEST_P(EnumerateConcurrentlyTest, StopsWhileNobodyAsks) {
  MakeManyFiles();
  auto items = Start({});
  ASSERT_TRUE(SyncWait(NextOf(&items)));
  // Each hand waits with a part of its own, one more for each is queued, and the consumer has one.
  const std::size_t most = (2 * GetParam() + 1) * kWalkPartItems + kDirectories;
  for (int i = 0; i < 50; ++i) {
    SyncWait([](Executor& pool) -> Task<> { co_await pool.Schedule(); }(pool_));
  }
  EXPECT_LE(counters_.enumerate.items, most);
  EXPECT_LT(most, kDirectories * kFiles) << "the tree is too small to tell";
}

TEST_P(EnumerateConcurrentlyTest, AStopEndsIt) {
  MakeManyFiles();
  auto items = Start({});
  ASSERT_TRUE(SyncWait(NextOf(&items)));
  scope_.RequestStop();
  EXPECT_THROW(
      {
        while (SyncWait(NextOf(&items))) {
        }
      },
      Cancelled);
}

}  // namespace
}  // namespace sluice
