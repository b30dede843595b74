#ifndef SLUICE_PIPELINE_FS_DIRECTORY_WALKER_H_
#define SLUICE_PIPELINE_FS_DIRECTORY_WALKER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "pipeline/fs/file.h"
#include "pipeline/fs/roots.h"

namespace sluice {

// Depth-first over one tree of any depth and width, in constant memory
// ====================================================================
//
// Directories are read by getdents64 in pieces of kBufferBytes and never held whole. Entries are
// statted in the order of that list (the order of inodes is no faster on a disk without seeks), up
// to kStatAhead together when the first of them is asked for, but none behind a directory.
// Descending happens where a subdirectory is met; of the levels above, the deepest kOpenLevels keep
// their descriptor and buffer, those further up only their position, identity and place in the
// path, and are opened again on the way back (the identity is checked; a directory that was
// replaced meanwhile is an error). So memory is a constant and one small record for each level of
// depth.
//
//   DirectoryWalker walker(roots, "/data");
//   while (auto visit = walker.Next()) ...
//
// A directory is visited before its content, and its content only after Descend() was called for
// that very visit: policy (filters, mounts, depth) is the caller's. Symbolic links are never
// followed. "." and ".." are not visited, nor is the root itself.
//
// Not thread-safe. Blocks on the disk. Lifetime: `roots` outlives it.
class DirectoryWalker final {
 public:
  static constexpr std::size_t kOpenLevels = 32;
  static constexpr std::size_t kBufferBytes = 32 * 1024;
  // Few, as each may be a seek of a slow disk; enough to look at the clock once for all of them.
  static constexpr std::size_t kStatAhead = 16;

  struct Entry {
    std::string_view path;    // Absolute; valid until the next call.
    std::string_view name;    // Its last component.
    std::uint32_t depth = 0;  // 1 = an entry of the root.
    FileStat stat;
  };
  using Visit = std::variant<Entry, ItemError>;

  DirectoryWalker(const AllowedRoots& roots, std::string root_path);
  DirectoryWalker(DirectoryWalker&&) noexcept;
  DirectoryWalker& operator=(DirectoryWalker&&) noexcept;
  ~DirectoryWalker();

  // The next entry; nullopt at the end. A directory that cannot be opened or read, and a name that
  // cannot be statted, is an ItemError, after which the walk goes on. A root that cannot be opened
  // is the only visit, an ItemError.
  std::optional<Visit> Next();

  // Enter the directory that the last Next() gave.
  void Descend();

  // Gives away the rest of the shallowest directory that this walk is in the middle of, as a walk
  // of its own, which may go on in another thread: this one ends when it has been through what it
  // has entered below. Together they visit what this one would have. nullopt when it is in the
  // middle of one directory at most.
  std::optional<DirectoryWalker> Split();

  // Of the root; valid after the first Next().
  const FileStat& root_stat() const;

  // The time spent in opening, reading and statting since the last call of this.
  std::chrono::nanoseconds TakeBusyTime();

  // For tests: descriptors held now.
  std::size_t open_descriptors() const;

 private:
  class Impl;
  explicit DirectoryWalker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_DIRECTORY_WALKER_H_
