#ifndef SLUICE_PIPELINE_STAGES_ENUMERATE_H_
#define SLUICE_PIPELINE_STAGES_ENUMERATE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/glob.h"
#include "pipeline/fs/roots.h"
#include "pipeline/stages/counters.h"

namespace sluice {

// A path beyond this is an ItemError (ENAMETOOLONG), and nothing below it is walked: an event names
// a path up to three times, in up to five bytes for one, and has to fit a message.
inline constexpr std::size_t kMaxPathBytes = 64 * 1024;

// What of a tree is taken. Size and time bounds concern regular files only.
struct EnumerateOptions {
  std::vector<std::string> roots;  // Normalized; none beneath another.
  GlobSet include;                 // On the path below the root; empty: everything.
  GlobSet exclude;
  std::optional<std::uint64_t> min_size;
  std::optional<std::uint64_t> max_size;
  std::optional<std::int64_t> modified_after_ns;   // Inclusive.
  std::optional<std::int64_t> modified_before_ns;  // Exclusive.
  bool skip_hidden = false;
  bool one_file_system = false;
  std::optional<std::uint32_t> max_depth;
  std::vector<FileType> types;  // Empty: all but directories.
  bool report_skipped = false;
  std::size_t max_path_bytes = kMaxPathBytes;
};

struct EnumerateDeps {
  const AllowedRoots& roots;
  PipelineCounters& counters;
  std::stop_token stop;
  // Directories (device, inode) that no scan enters, or begins in: the server's own data. So are
  // those called kPrivateDirectory.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> protected_directories = {};
  // Where the walk runs: it gives its thread to those who wait for one, every few hundred entries.
  // Null: it keeps it.
  Executor* executor = nullptr;
};

// Walks the roots one after the other and yields what the options take: files, failures, and (on
// request) what was left out. A directory that is left out is not entered; one that is only not
// recorded (by its type) is. A directory at max_depth may be recorded and is left out (kDepth) as
// well: what it holds is not seen. Order: as the file system lists, each directory before its
// content. Lazy: takes one entry at a time, of which DirectoryWalker has statted a few more. Throws
// Cancelled when stopped. Blocks on the disk between two items.
AsyncGenerator<ScanItem> EnumerateTree(EnumerateOptions options, EnumerateDeps deps);

// What a hand that walks beside others finds is handed on in parts: a round of the consumer costs
// more than an entry. A part ends at any of these bounds, and with the directory tree it is of.
inline constexpr std::size_t kWalkPartItems = 128;
inline constexpr std::size_t kWalkPartPathBytes = 128 * 1024;
inline constexpr std::chrono::milliseconds kWalkPartDelay{5};  // Of looking for more.

// The same by `hands` walkers at a time, children of `scope`, in whose executor they block on the
// disk. They share the roots, and whoever has nothing left to do gets a part of another's tree.
// Order: each directory before its content; that of the hands, as they come.
// Bound: what is found and not handed over is at most two parts for each hand.
// Dropping: as that of Merge; a hand waits for others until the scope is stopped.
// Lifetime: what `deps` refers to outlives the scope's Join. REQUIRES: hands >= 1.
AsyncGenerator<ScanItem> EnumerateTree(EnumerateOptions options, EnumerateDeps deps,
                                       JobScope& scope, std::size_t hands);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_ENUMERATE_H_
