#include "pipeline/fs/roots.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "pipeline/fs/path_text.h"

namespace sluice {

namespace {

// EAGAIN comes when a rename crosses the resolution, or a lease is being broken: neither may hold
// a thread for long.
constexpr int kMaxTries = 64;

// glibc has no wrapper.
AllowedRoots::OpenResult OpenShortPath(int directory, const std::string& path, int flags,
                                       mode_t mode = 0) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  for (int tries = 1;; ++tries) {
    const long fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how));
    if (fd >= 0) return {.fd = UniqueFd(static_cast<int>(fd))};
    const bool again = errno == EINTR || (errno == EAGAIN && tries < kMaxTries);
    if (!again) return {.error_number = errno};
  }
}

absl::Status OpenError(const std::string& path, int error_number) {
  const std::string message = absl::StrCat("allowed root ", PrintablePath(path), ": ",
                                           std::system_category().message(error_number));
  switch (error_number) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

std::optional<FileType> TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::kRegular;
    case S_IFDIR:
      return FileType::kDirectory;
    case S_IFLNK:
      return FileType::kSymlink;
    case S_IFIFO:
      return FileType::kFifo;
    case S_IFSOCK:
      return FileType::kSocket;
    case S_IFCHR:
      return FileType::kCharacterDevice;
    case S_IFBLK:
      return FileType::kBlockDevice;
    default:
      return std::nullopt;
  }
}

std::int64_t Nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// Returns 0 or errno.
int Convert(const struct stat& from, FileStat* to) {
  constexpr std::uint64_t kBytesPerBlock = 512;  // Of st_blocks, whatever the file system.
  constexpr mode_t kPermissionBits = 07777;
  const std::optional<FileType> type = TypeOf(from.st_mode);
  if (!type) return EINVAL;
  *to = {.type = *type,
         .size = static_cast<std::uint64_t>(from.st_size),
         .allocated_bytes = static_cast<std::uint64_t>(from.st_blocks) * kBytesPerBlock,
         .modify_time_ns = Nanoseconds(from.st_mtim),
         .change_time_ns = Nanoseconds(from.st_ctim),
         .device = from.st_dev,
         .inode = from.st_ino,
         .link_count = static_cast<std::uint32_t>(from.st_nlink),
         .mode = from.st_mode & kPermissionBits,
         .uid = from.st_uid,
         .gid = from.st_gid};
  return 0;
}

}  // namespace

AllowedRoots::OpenResult OpenBeneath(int directory, std::string_view path, int flags, mode_t mode) {
  // The system takes paths of less than PATH_MAX bytes: longer ones go component-wise in steps,
  // each of which lies beneath the one before.
  UniqueFd step;
  while (path.size() >= PATH_MAX) {
    const std::size_t slash = path.rfind('/', PATH_MAX - 1);
    if (slash == std::string_view::npos || slash == 0) return {.error_number = ENAMETOOLONG};
    AllowedRoots::OpenResult next =
        OpenShortPath(directory, std::string(path.substr(0, slash)), O_PATH | O_DIRECTORY);
    if (!next.fd.valid()) return next;
    step = std::move(next.fd);
    directory = step.get();
    path.remove_prefix(slash + 1);
  }
  return OpenShortPath(directory, std::string(path), flags | O_NOFOLLOW, mode);
}

absl::StatusOr<AllowedRoots> AllowedRoots::Open(const std::vector<std::string>& paths) {
  AllowedRoots opened;
  for (const std::string& path : paths) {
    std::optional<std::string> given = NormalizePath(path);
    if (!given) {
      return absl::InvalidArgumentError(
          absl::StrCat("allowed root ", PrintablePath(path), ": not an absolute path"));
    }
    const std::unique_ptr<char, decltype(&std::free)> canonical(::realpath(given->c_str(), nullptr),
                                                                &std::free);
    if (!canonical) return OpenError(path, errno);

    // Also proves that openat2 is there: sandboxes may hide it.
    const UniqueFd top(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!top.valid()) return OpenError(path, errno);
    const std::string_view below_top = std::string_view(canonical.get()).substr(1);
    OpenResult directory =
        OpenBeneath(top.get(), below_top.empty() ? "." : below_top, O_PATH | O_DIRECTORY);
    if (!directory.fd.valid()) return OpenError(path, directory.error_number);
    opened.roots_.push_back({.given = *std::move(given),
                             .canonical = canonical.get(),
                             .directory = std::move(directory.fd)});
  }
  return opened;
}

std::vector<std::string> AllowedRoots::paths() const {
  std::vector<std::string> paths;
  paths.reserve(roots_.size());
  for (const Root& root : roots_) paths.push_back(root.given);
  return paths;
}

AllowedRoots::Door AllowedRoots::DoorTo(std::string_view path) const {
  Door door;
  for (const Root& root : roots_) {
    for (const std::string_view name :
         {std::string_view(root.given), std::string_view(root.canonical)}) {
      if (!IsWithin(path, name)) continue;
      const std::size_t skipped = name == "/" ? 1 : std::min(name.size() + 1, path.size());
      const std::string_view rest = path.substr(skipped);
      // The innermost one: an outer root may reach it by a symbolic link only.
      if (door.root == nullptr || rest.size() < door.rest.size())
        door = {.root = &root, .rest = rest};
    }
  }
  return door;
}

bool AllowedRoots::Allows(std::string_view path) const { return DoorTo(path).root != nullptr; }

AllowedRoots::OpenResult AllowedRoots::OpenPath(std::string_view path, int flags) const {
  const Door door = DoorTo(path);
  if (door.root == nullptr) return {.error_number = EACCES};
  return OpenBeneath(door.root->directory.get(), door.rest.empty() ? "." : door.rest, flags);
}

std::optional<AllowedRoots::Location> AllowedRoots::Locate(std::string_view path) const {
  const Door door = DoorTo(path);
  if (door.root == nullptr) return std::nullopt;
  return Location{
      .directory = door.root->directory.get(), .root = door.root->given, .below = door.rest};
}

int StatAt(int directory, const char* name, FileStat* stat) {
  struct stat result;
  constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (::fstatat(directory, name, &result, kFlags) != 0) return errno;
  return Convert(result, stat);
}

int StatFd(int fd, FileStat* stat) {
  struct stat result;
  if (::fstat(fd, &result) != 0) return errno;
  return Convert(result, stat);
}

}  // namespace sluice
