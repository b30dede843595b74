#include "pipeline/fs/directory_walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "pipeline/fs/path_text.h"

namespace sluice {

namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY;

// How far above the level that is opened again its nearest ancestors are opened with it: one long
// path is resolved for so many levels, and not for each.
constexpr std::size_t kReopenLevels = DirectoryWalker::kOpenLevels / 2;

// One directory on the way from the root to where the walk is.
// Invariants: without a descriptor there is no buffer, and without a buffer the descriptor stands
// at the beginning. `resume_at` is where the directory goes on behind the last entry that was
// statted: all of those are given out before the level is given up.
struct Level {
  std::size_t path_length = 0;  // Of the directory's own path, within that of the walk.
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  off64_t resume_at = 0;
  UniqueFd fd;
  std::unique_ptr<char[]> buffer;
  std::size_t position = 0;
  std::size_t filled = 0;

  bool IsSameDirectory(const FileStat& stat) const {
    return stat.device == device && stat.inode == inode;
  }
  void GiveUp() {
    fd.reset();
    buffer.reset();
    position = filled = 0;
  }
};

// An entry that was statted and not yet given out. The name lies in the buffer of its level.
struct Found {
  std::string_view name;
  FileStat stat;
  int error_number = 0;
};

struct OpenedDirectory {
  UniqueFd fd;
  FileStat stat;
  int error_number = 0;
};

OpenedDirectory Identify(AllowedRoots::OpenResult opened) {
  OpenedDirectory directory{.fd = std::move(opened.fd), .error_number = opened.error_number};
  if (directory.fd.valid()) directory.error_number = StatFd(directory.fd.get(), &directory.stat);
  return directory;
}

ItemError ReplacedError(std::string path) {
  return {.path = std::move(path),
          .operation = "open directory",
          .reason = ItemError::Reason::kChanged,
          .message = "another directory has taken its place"};
}

}  // namespace

class DirectoryWalker::Impl final {
 public:
  Impl(const AllowedRoots& roots, std::string root_path)
      : roots_(roots), path_(std::move(root_path)) {}

  std::optional<Visit> Next() {
    if (given_ == found_count_) {
      const auto begin = std::chrono::steady_clock::now();
      std::optional<ItemError> error = FindMore();
      busy_ += std::chrono::steady_clock::now() - begin;
      if (error) return *std::move(error);
      if (found_count_ == 0) return std::nullopt;
    }
    return Give(found_[given_++]);
  }

  void Descend() {
    assert(given_ > 0 && found_[given_ - 1].stat.type == FileType::kDirectory &&
           "nothing to enter");
    enter_next_ = true;
  }

  std::unique_ptr<Impl> Split() {
    while (levels_.size() > 1 && IsAtEnd(levels_.front())) {
      levels_.erase(levels_.begin());
      ++levels_above_;
    }
    if (levels_.size() < 2) return nullptr;
    auto rest = std::make_unique<Impl>(roots_, path_.substr(0, levels_.front().path_length));
    rest->levels_.push_back(std::move(levels_.front()));
    rest->levels_above_ = levels_above_++;
    rest->root_stat_ = root_stat_;
    rest->enter_next_ = false;
    levels_.erase(levels_.begin());
    return rest;
  }

  const FileStat& root_stat() const { return root_stat_; }

  std::size_t open_descriptors() const {
    const auto is_open = [](const Level& level) { return level.fd.valid(); };
    return static_cast<std::size_t>(std::ranges::count_if(levels_, is_open));
  }

  std::chrono::nanoseconds TakeBusyTime() { return std::exchange(busy_, {}); }

 private:
  // Afterwards there are entries to give, or none because the walk is at its end.
  std::optional<ItemError> FindMore() {
    std::optional<ItemError> not_entered = EnterIfAsked();
    given_ = found_count_ = 0;
    if (not_entered) return not_entered;
    while (!levels_.empty() && found_count_ == 0) {
      if (std::optional<ItemError> error = FillBuffer()) {
        levels_.pop_back();
        return error;
      }
      if (levels_.back().filled == 0) {
        levels_.pop_back();
      } else {
        StatEntries(levels_.back());
      }
    }
    return std::nullopt;
  }

  // Opens the root at first, and later the directory that Descend() was called for.
  std::optional<ItemError> EnterIfAsked() {
    if (!std::exchange(enter_next_, false)) return std::nullopt;
    const bool is_root = levels_.empty();
    OpenedDirectory directory =
        Identify(is_root ? roots_.OpenPath(path_, kDirectoryFlags)
                         : OpenBeneath(levels_.back().fd.get(),
                                       NameBelow(levels_.back(), path_.size()), kDirectoryFlags));
    if (directory.error_number != 0) {
      return MakeItemError(path_, "open directory", directory.error_number);
    }
    if (is_root) root_stat_ = directory.stat;
    const FileStat& visited = is_root ? root_stat_ : found_[given_ - 1].stat;
    levels_.push_back({.path_length = path_.size(),
                       .device = visited.device,
                       .inode = visited.inode,
                       .fd = std::move(directory.fd)});
    if (!levels_.back().IsSameDirectory(directory.stat)) {
      levels_.pop_back();
      return ReplacedError(path_);
    }
    // Those further up were given up before.
    if (levels_.size() > kOpenLevels) levels_[levels_.size() - 1 - kOpenLevels].GiveUp();
    return std::nullopt;
  }

  // Afterwards the deepest level has entries in its buffer, or none because it is at its end.
  std::optional<ItemError> FillBuffer() {
    if (levels_.back().position < levels_.back().filled) return std::nullopt;
    if (std::optional<ItemError> error = OpenDeepestAgain()) return error;
    return ReadMore(levels_.back());
  }

  // The same for an open level that has been through its buffer.
  std::optional<ItemError> ReadMore(Level& level) const {
    if (!level.buffer) {
      level.buffer = std::make_unique_for_overwrite<char[]>(kBufferBytes);
      const bool seeks = level.resume_at != 0;
      if (seeks && ::lseek64(level.fd.get(), level.resume_at, SEEK_SET) < 0)
        return ReadError(level);
    }
    const ssize_t count = ::getdents64(level.fd.get(), level.buffer.get(), kBufferBytes);
    if (count < 0) return ReadError(level);
    level.position = 0;
    level.filled = static_cast<std::size_t>(count);
    return std::nullopt;
  }

  // An error of this read is met again by whoever goes on with the level, and told then.
  bool IsAtEnd(Level& level) const {
    if (level.position < level.filled || !level.fd.valid()) return false;
    return !ReadMore(level) && level.filled == 0;
  }

  ItemError ReadError(const Level& level) const {
    const int error_number = errno;
    return MakeItemError(path_.substr(0, level.path_length), "read directory", error_number);
  }

  // Opens the deepest level where it was given up, with what is closed of the levels just above.
  std::optional<ItemError> OpenDeepestAgain() {
    const std::size_t deepest = levels_.size() - 1;
    const std::size_t lowest = deepest - std::min(deepest, kReopenLevels - 1);
    std::size_t start = deepest;
    while (start > lowest && !levels_[start].fd.valid()) --start;
    for (std::size_t i = start; i <= deepest; ++i) {
      if (levels_[i].fd.valid()) continue;
      const std::size_t end = levels_[i].path_length;
      OpenedDirectory directory = Identify(
          i == start ? roots_.OpenPath(std::string_view(path_).substr(0, end), kDirectoryFlags)
                     : OpenBeneath(levels_[i - 1].fd.get(), NameBelow(levels_[i - 1], end),
                                   kDirectoryFlags));
      const std::string_view deepest_path =
          std::string_view(path_).substr(0, levels_[deepest].path_length);
      if (directory.error_number != 0) {
        return MakeItemError(std::string(deepest_path), "open directory", directory.error_number);
      }
      if (!levels_[i].IsSameDirectory(directory.stat)) {
        return ReplacedError(std::string(deepest_path));
      }
      levels_[i].fd = std::move(directory.fd);
    }
    return std::nullopt;
  }

  // The part of path_ between a directory and `end`.
  std::string_view NameBelow(const Level& directory, std::size_t end) const {
    const std::size_t begin = directory.path_length + (path_[directory.path_length] == '/' ? 1 : 0);
    return std::string_view(path_).substr(begin, end - begin);
  }

  // Of the entries in the buffer, those that may be looked at together. A directory is the last of
  // them: what Descend() enters, and the level that it may give up, have nothing left to give.
  void StatEntries(Level& level) {
    while (found_count_ < found_.size() && level.position < level.filled) {
      const auto* entry = reinterpret_cast<const dirent64*>(level.buffer.get() + level.position);
      level.position += entry->d_reclen;
      level.resume_at = entry->d_off;
      const std::string_view name(entry->d_name);
      if (name == "." || name == "..") continue;
      Found& found = found_[found_count_++];
      found.name = name;
      found.error_number = StatAt(level.fd.get(), entry->d_name, &found.stat);
      if (found.error_number == 0 && found.stat.type == FileType::kDirectory) return;
    }
  }

  Visit Give(const Found& found) {
    path_.resize(levels_.back().path_length);
    if (!path_.ends_with('/')) path_ += '/';
    path_ += found.name;
    if (found.error_number != 0) return MakeItemError(path_, "stat", found.error_number);
    return Entry{.path = path_,
                 .name = std::string_view(path_).substr(path_.size() - found.name.size()),
                 .depth = static_cast<std::uint32_t>(levels_above_ + levels_.size()),
                 .stat = found.stat};
  }

  const AllowedRoots& roots_;
  std::string path_;  // Of the root at first, then of the last visit.
  std::vector<Level> levels_;
  std::size_t levels_above_ = 0;  // Those nearer to the root, which others go on with.
  FileStat root_stat_;
  // Entries of the deepest level: those before given_ have been given out.
  std::array<Found, kStatAhead> found_;
  std::size_t found_count_ = 0;
  std::size_t given_ = 0;
  std::chrono::nanoseconds busy_{};
  bool enter_next_ = true;
};

DirectoryWalker::DirectoryWalker(const AllowedRoots& roots, std::string root_path)
    : impl_(std::make_unique<Impl>(roots, std::move(root_path))) {}
DirectoryWalker::DirectoryWalker(DirectoryWalker&&) noexcept = default;
DirectoryWalker& DirectoryWalker::operator=(DirectoryWalker&&) noexcept = default;
DirectoryWalker::~DirectoryWalker() = default;

DirectoryWalker::DirectoryWalker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::optional<DirectoryWalker> DirectoryWalker::Split() {
  std::unique_ptr<Impl> rest = impl_->Split();
  if (!rest) return std::nullopt;
  return DirectoryWalker(std::move(rest));
}

std::optional<DirectoryWalker::Visit> DirectoryWalker::Next() { return impl_->Next(); }
void DirectoryWalker::Descend() { impl_->Descend(); }
const FileStat& DirectoryWalker::root_stat() const { return impl_->root_stat(); }
std::chrono::nanoseconds DirectoryWalker::TakeBusyTime() { return impl_->TakeBusyTime(); }
std::size_t DirectoryWalker::open_descriptors() const { return impl_->open_descriptors(); }

}  // namespace sluice
