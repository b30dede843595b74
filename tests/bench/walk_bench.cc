// The walk of a tree that is in memory, from the bare system calls to batches of what is found.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_format.h"
#include "benchmark/benchmark.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/directory_walker.h"
#include "pipeline/fs/roots.h"
#include "pipeline/fs/unique_fd.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/pipe.h"
#include "pipeline/stages/enumerate.h"
#include "tests/bench/items.h"
#include "tests/bench/temp_directory.h"

namespace sluice::bench {
namespace {

constexpr Number kFiles = 50'000;  // Their inodes and names do not fit a processor's cache.
constexpr Number kFilesPerDirectory = 100;

// kFiles empty files, made when they are first asked for and removed at the end of the program.
class Tree final {
 public:
  Tree() : roots_(AllowedRoots::Open({root()}).value()) {
    for (Number i = 0; i < kFiles / kFilesPerDirectory; ++i) MakeDirectory(i);
  }

  const std::string& root() const { return directory_.path(); }
  const AllowedRoots& roots() const { return roots_; }

 private:
  void MakeDirectory(Number index) const {
    const std::string path = absl::StrFormat("%s/directory_%06d", root(), index);
    if (::mkdir(path.c_str(), 0700) != 0) std::abort();
    const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (Number i = 0; i < kFilesPerDirectory; ++i) {
      const std::string name = absl::StrFormat("file_%08d.txt", index * kFilesPerDirectory + i);
      const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
      if (!UniqueFd(::openat(directory.get(), name.c_str(), flags, 0600)).valid()) std::abort();
    }
  }

  TempDirectory directory_;
  AllowedRoots roots_;
};

const Tree& TheTree() {
  static const Tree tree;
  return tree;
}

template <typename Run>
void MeasureWalk(benchmark::State& state, Run run) {
  const Tree& tree = TheTree();
  MeasureItems(
      state,
      [&] {
        const Number files = run(tree);
        if (files != kFiles) state.SkipWithError("not every file was found");
        return files;
      },
      kFiles);
}

// Files below a directory: what no walk can do without.
Number CountByHand(int parent, const char* name) {
  constexpr std::size_t kBufferBytes = DirectoryWalker::kBufferBytes;
  const UniqueFd directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  Number files = 0;
  ssize_t filled = 0;
  while ((filled = ::getdents64(directory.get(), buffer.get(), kBufferBytes)) > 0) {
    for (ssize_t at = 0; at < filled;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.get() + at);
      at += entry->d_reclen;
      const std::string_view entry_name(entry->d_name);
      if (entry_name == "." || entry_name == "..") continue;
      struct stat stat;
      if (::fstatat(directory.get(), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0) continue;
      benchmark::DoNotOptimize(stat);
      files += S_ISDIR(stat.st_mode) ? CountByHand(directory.get(), entry->d_name) : 1;
    }
  }
  return files;
}
void WalkByHand(benchmark::State& state) {
  MeasureWalk(state, [](const Tree& tree) { return CountByHand(AT_FDCWD, tree.root().c_str()); });
}
BENCHMARK(WalkByHand)->Name("walk/getdents64 and fstatat by hand");

Number CountByWalker(const Tree& tree) {
  DirectoryWalker walker(tree.roots(), tree.root());
  Number files = 0;
  while (auto visit = walker.Next()) {
    const auto& entry = std::get<DirectoryWalker::Entry>(*visit);
    benchmark::DoNotOptimize(entry);
    if (entry.stat.type == FileType::kDirectory) {
      walker.Descend();
    } else {
      ++files;
    }
  }
  return files;
}
void WalkByWalker(benchmark::State& state) { MeasureWalk(state, CountByWalker); }
BENCHMARK(WalkByWalker)->Name("walk/DirectoryWalker");

AsyncGenerator<ScanItem> Enumerated(const Tree& tree, PipelineCounters& counters) {
  return EnumerateTree({.roots = {tree.root()}}, {.roots = tree.roots(), .counters = counters});
}
void WalkEnumerated(benchmark::State& state) {
  MeasureWalk(state, [](const Tree& tree) {
    PipelineCounters counters;
    return SyncWait(Use(Enumerated(tree, counters)));
  });
}
BENCHMARK(WalkEnumerated)->Name("walk/EnumerateTree");

// The consumer frees what it took: that is a part of the price.
Task<Number> CountBatched(AsyncGenerator<std::vector<ScanItem>> batches) {
  Number files = 0;
  while (auto batch = co_await batches.Next()) files += static_cast<Number>(batch->size());
  co_return files;
}
template <typename Place>
void WalkBatched(benchmark::State& state) {
  MeasureWalk(state, [](const Tree& tree) {
    Place place;
    SystemClock clock;
    PipelineCounters counters;
    JobScope scope(place.executor());
    const BatchOptions options = {.max_items = 256, .max_delay = std::chrono::milliseconds(50)};
    const Number files =
        place.Run(CountBatched(Enumerated(tree, counters) | Batch(scope, clock, options)));
    place.Run(scope.Join());
    return files;
  });
}
BENCHMARK(WalkBatched<OnOneThread>)->Name("walk/EnumerateTree, then Batch(256)/one_thread");
BENCHMARK(WalkBatched<OnPoolOfTwo>)
    ->Name("walk/EnumerateTree, then Batch(256)/pool_of_two")
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace sluice::bench
