// Files -> the large ones -> their digests -> those whose content was met before.

#include <algorithm>
#include <cstddef>
#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/hasher.h"
#include "pipeline/fs/roots.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/stages/enumerate.h"
#include "tests/unit/fs/temp_tree.h"
#include "tests/unit/pipelines/read_chunks.h"

namespace sluice {
namespace {

struct Duplicate {
  std::string path;
  std::string of;

  bool operator==(const Duplicate&) const = default;
};

bool IsLarge(const FileEntry& file) { return file.stat.size >= 1'000; }

AsyncGenerator<FileEntry> FilesOf(AsyncGenerator<ScanItem> items) {
  while (auto item = co_await items.Next()) {
    if (auto* file = std::get_if<FileEntry>(&*item)) co_yield std::move(*file);
  }
}

Task<Digest> DigestOf(AsyncGenerator<Chunk> chunks, std::stop_token stop) {
  const auto hasher = MakeHasher(DigestAlgorithm::kSha256);
  while (auto chunk = co_await chunks.Next()) {
    ThrowIfStopRequested(stop);
    hasher->Update(*chunk);
  }
  co_return hasher->Finish();
}

Task<FileEntry> AddDigest(FileEntry file, std::stop_token stop) {
  file.digest = co_await DigestOf(ReadChunks(file.path), std::move(stop));
  co_return file;
}

// Keeps one path of each content, so it says how many that may be. (The stage that may meet any
// number is pipeline/stages/reconcile.h.)
AsyncGenerator<Duplicate> Duplicates(AsyncGenerator<FileEntry> files, std::size_t max_contents) {
  std::map<Digest, std::string> first_of;
  while (auto file = co_await files.Next()) {
    const auto [first, is_new] = first_of.try_emplace(*file->digest, file->path);
    if (!is_new) co_yield Duplicate{.path = std::move(file->path), .of = first->second};
    if (first_of.size() > max_contents) throw StatusError(absl::ResourceExhaustedError("contents"));
  }
}

class FindDuplicates : public testing::Test {
 protected:
  AsyncGenerator<Duplicate> Find(JobScope& scope, std::size_t max_contents) {
    auto files = FilesOf(
        EnumerateTree({.roots = {tree_.root()}},
                      {.roots = roots_, .counters = counters_, .stop = scope.stop_token()}));
    return Duplicates(
        std::move(files) | Filter(IsLarge) | TransformConcurrently(scope, 2, AddDigest),
        max_contents);
  }

  // With two threads that read.
  std::vector<Duplicate> FindAll(std::size_t max_contents) {
    ThreadPool pool(2);
    JobScope scope(pool);
    try {
      auto found = SyncWait(Find(scope, max_contents) | Collect());
      SyncWait(scope.Join());
      return found;
    } catch (...) {
      SyncWait(scope.Join());
      throw;
    }
  }

  TempTree tree_;
  AllowedRoots roots_ = tree_.Roots();
  PipelineCounters counters_;
};

TEST_F(FindDuplicates, YieldsEveryLargeFileWhoseContentWasMetBefore) {
  const std::string content(5'000, 'a');
  const std::vector<std::string> same = {tree_.Write("one", content),
                                         tree_.Write("d/two", content)};
  tree_.Write("other", std::string(5'000, 'b'));
  tree_.Write("small", "a");
  tree_.Write("d/small", "a");
  const auto found = FindAll(10);
  ASSERT_EQ(found.size(), 1U);
  const std::vector<std::string> paths = {found[0].of, found[0].path};
  EXPECT_TRUE(std::ranges::is_permutation(paths, same));
}

TEST_F(FindDuplicates, AFileOfAnyNameIsAFile) {
  tree_.Write("two\nlines", std::string(2'000, 'x'));
  tree_.Write("not \xff UTF-8", std::string(2'000, 'x'));
  EXPECT_EQ(FindAll(10).size(), 1U);
}

TEST_F(FindDuplicates, SaysSoWhenThereIsMoreThanItMayKeep) {
  for (char c = 'a'; c < 'e'; ++c) tree_.Write(std::string(1, c), std::string(2'000, c));
  EXPECT_TRUE(FindAll(4).empty());
  EXPECT_THROW(FindAll(3), StatusError);
}

}  // namespace
}  // namespace sluice
