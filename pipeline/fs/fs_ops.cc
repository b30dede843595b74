#include "pipeline/fs/fs_ops.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/fs/roots.h"

namespace sluice {

namespace {

// 0 or errno of a system call, which is made again while signals interrupt it.
template <typename Call>
int ErrorOf(Call call) {
  while (call() < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// What file systems answer to an ioctl that they do not have.
bool IsUnsupported(int error_number) {
  return error_number == ENOTTY || error_number == EOPNOTSUPP;
}

// What `call` puts into a buffer, and returns the size of. Of the kernel's largest size, so that a
// value that grows meanwhile cannot be missed.
template <typename Call>
int TakeBytes(Call call, std::string* bytes) {
  std::array<char, std::max(XATTR_LIST_MAX, XATTR_SIZE_MAX)> buffer;
  ssize_t size = 0;
  const int error =
      ErrorOf([&] { return static_cast<int>(size = call(buffer.data(), buffer.size())); });
  if (error == 0) bytes->assign(buffer.data(), static_cast<std::size_t>(size));
  return error;
}

// A request of the kernel's that ends with an array, and the memory for Count elements.
template <typename Header, typename Element, std::size_t Count>
class Request final {
 public:
  Header* get() { return reinterpret_cast<Header*>(bytes_.data()); }
  Header* operator->() { return get(); }

 private:
  alignas(Header) std::array<std::byte, sizeof(Header) + (Count * sizeof(Element))> bytes_{};
};

// Bytes of the file that other files use as well. Writes what waits to be written first: what has
// no place yet is neither allocated nor shared.
int SharedBytes(int fd, std::uint64_t* bytes) {
  constexpr std::uint32_t kExtentsAtOnce = 64;
  Request<fiemap, fiemap_extent, kExtentsAtOnce> request;
  *bytes = 0;
  for (std::uint64_t start = 0;;) {
    request->fm_start = start;
    request->fm_length = FIEMAP_MAX_OFFSET - start;
    request->fm_flags = FIEMAP_FLAG_SYNC;
    request->fm_extent_count = kExtentsAtOnce;
    const int error = ErrorOf([&] { return ::ioctl(fd, FS_IOC_FIEMAP, request.get()); });
    if (error != 0 || request->fm_mapped_extents == 0) return error;
    const std::span<const fiemap_extent> extents(
        request->fm_extents, std::min(request->fm_mapped_extents, kExtentsAtOnce));
    for (const fiemap_extent& extent : extents) {
      if ((extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0) *bytes += extent.fe_length;
    }
    const fiemap_extent& last = extents.back();
    const std::uint64_t end = last.fe_logical + last.fe_length;
    // No file system may make this a loop without end.
    if ((last.fe_flags & FIEMAP_EXTENT_LAST) != 0 || end <= start) return 0;
    start = end;
  }
}

class RealFsOps final : public FsOps {
 public:
  int OpenBeneath(int directory, std::string_view path, int flags, mode_t mode,
                  UniqueFd* opened) override {
    AllowedRoots::OpenResult result = sluice::OpenBeneath(directory, path, flags, mode);
    *opened = std::move(result.fd);
    return result.error_number;
  }

  int Stat(int fd, FileStat* stat) override { return StatFd(fd, stat); }

  int StatAt(int directory, const std::string& name, FileStat* stat) override {
    return sluice::StatAt(directory, name.c_str(), stat);
  }

  int ReadLink(int directory, const std::string& name, std::string* target) override {
    std::array<char, PATH_MAX> buffer;
    ssize_t size = 0;
    const int error = ErrorOf(
        [&] { return size = ::readlinkat(directory, name.c_str(), buffer.data(), buffer.size()); });
    if (error != 0) return error;
    // It may have been cut off.
    if (size == static_cast<ssize_t>(buffer.size())) return ENAMETOOLONG;
    target->assign(buffer.data(), static_cast<std::size_t>(size));
    return 0;
  }

  int MountId(int fd, std::uint64_t* mount_id) override {
    struct statx stat{};
    const int error = ErrorOf([&] { return ::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stat); });
    if (error != 0) return error;
    if ((stat.stx_mask & STATX_MNT_ID) != 0) {
      *mount_id = stat.stx_mnt_id;
      return 0;
    }
    // Kernels before 5.8: bind mounts are found out when a rename across them fails.
    FileStat file;
    const int stat_error = StatFd(fd, &file);
    *mount_id = file.device;
    return stat_error;
  }

  int StatFileSystem(int fd, FileSystem* file_system) override {
    struct statfs stat{};
    const int error = ErrorOf([&] { return ::fstatfs(fd, &stat); });
    *file_system = {.type = stat.f_type, .read_only = (stat.f_flags & ST_RDONLY) != 0};
    return error;
  }

  int Read(int fd, std::uint64_t offset, std::span<std::uint8_t> to, std::size_t* count) override {
    *count = 0;
    while (*count < to.size()) {
      const ssize_t size =
          ::pread(fd, to.data() + *count, to.size() - *count, static_cast<off_t>(offset + *count));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return errno;
      if (size == 0) break;
      *count += static_cast<std::size_t>(size);
    }
    return 0;
  }

  int GetFlags(int fd, std::uint32_t* flags) override {
    *flags = 0;
    const int error = ErrorOf([&] { return ::ioctl(fd, FS_IOC_GETFLAGS, flags); });
    return IsUnsupported(error) ? 0 : error;
  }

  int ExclusiveBytes(int fd, std::uint64_t* bytes) override {
    std::uint64_t shared = 0;
    const int error = SharedBytes(fd, &shared);
    if (error != 0 && !IsUnsupported(error)) return error;
    FileStat stat;
    const int stat_error = StatFd(fd, &stat);
    // Extents are counted by the bytes of the file that they hold: more than those of storage where
    // the file system compresses.
    *bytes = stat.allocated_bytes - std::min(shared, stat.allocated_bytes);
    return stat_error;
  }

  int ListXattrs(int fd, std::string* names) override {
    return TakeBytes([&](char* to, std::size_t size) { return ::flistxattr(fd, to, size); }, names);
  }

  int GetXattr(int fd, const std::string& name, std::string* value) override {
    return TakeBytes(
        [&](char* to, std::size_t size) { return ::fgetxattr(fd, name.c_str(), to, size); }, value);
  }

  int CheckWritable(int directory) override {
    return ErrorOf([&] { return ::faccessat(directory, ".", W_OK | X_OK, AT_EACCESS); });
  }

  int TakeReadLease(int fd) override {
    // Before there is a lease to be broken: the signal that comes otherwise ends the process.
    const int error = ErrorOf([&] { return ::fcntl(fd, F_SETSIG, SIGURG); });
    if (error != 0) return error;
    return ErrorOf([&] { return ::fcntl(fd, F_SETLEASE, F_RDLCK); });
  }

  int HoldsLease(int fd, bool* holds) override {
    int lease = F_UNLCK;
    const int error = ErrorOf([&] { return lease = ::fcntl(fd, F_GETLEASE); });
    *holds = error == 0 && lease == F_RDLCK;
    return error;
  }

  int ReleaseLease(int fd) override {
    return ErrorOf([&] { return ::fcntl(fd, F_SETLEASE, F_UNLCK); });
  }

  int TakeLock(int fd, Lock lock) override {
    const int operation = lock == Lock::kShared ? LOCK_SH : LOCK_EX | LOCK_NB;
    return ErrorOf([&] { return ::flock(fd, operation); });
  }

  int Sync(int fd) override {
    return ErrorOf([&] { return ::fsync(fd); });
  }

  int MakeDirectory(int directory, const std::string& name, mode_t mode) override {
    return ErrorOf([&] { return ::mkdirat(directory, name.c_str(), mode); });
  }

  int RemoveDirectory(int directory, const std::string& name) override {
    return ErrorOf([&] { return ::unlinkat(directory, name.c_str(), AT_REMOVEDIR); });
  }

  int LinkFile(int fd, int directory, const std::string& name) override {
    // AT_EMPTY_PATH would name the inode as well, but takes a capability.
    const std::string open_file = "/proc/self/fd/" + std::to_string(fd);
    return ErrorOf([&] {
      return ::linkat(AT_FDCWD, open_file.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW);
    });
  }

  int MakeSymlink(const std::string& target, int directory, const std::string& name) override {
    return ErrorOf([&] { return ::symlinkat(target.c_str(), directory, name.c_str()); });
  }

  int Exchange(int directory, const std::string& name, int other_directory,
               const std::string& other_name) override {
    return Rename(directory, name, other_directory, other_name, RENAME_EXCHANGE);
  }

  int MoveNoReplace(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    return Rename(from_directory, from, to_directory, to, RENAME_NOREPLACE);
  }

  int Unlink(int directory, const std::string& name) override {
    return ErrorOf([&] { return ::unlinkat(directory, name.c_str(), 0); });
  }

  int Write(int fd, std::uint64_t offset, std::span<const std::uint8_t> from) override {
    while (!from.empty()) {
      const ssize_t size = ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return errno;
      if (size == 0) return EIO;
      offset += static_cast<std::uint64_t>(size);
      from = from.subspan(static_cast<std::size_t>(size));
    }
    return 0;
  }

  int Truncate(int fd, std::uint64_t size) override {
    return ErrorOf([&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
  }

  int Clone(int from, int to) override {
    return ErrorOf([&] { return ::ioctl(to, FICLONE, from); });
  }

  int Dedupe(int from, int to, std::uint64_t offset, std::uint64_t length, std::uint64_t* deduped,
             bool* same) override {
    Request<file_dedupe_range, file_dedupe_range_info, 1> request;
    request->src_offset = offset;
    request->src_length = length;
    request->dest_count = 1;
    file_dedupe_range_info& result = request->info[0];
    result.dest_fd = to;
    result.dest_offset = offset;
    const int error = ErrorOf([&] { return ::ioctl(from, FIDEDUPERANGE, request.get()); });
    *deduped = result.bytes_deduped;
    *same = error == 0 && result.status == FILE_DEDUPE_RANGE_SAME;
    if (error != 0) return error;
    return std::max(0, -result.status);
  }

  int SetOwner(int fd, std::uint32_t uid, std::uint32_t gid) override {
    return ErrorOf([&] { return ::fchown(fd, uid, gid); });
  }

  int SetMode(int fd, std::uint32_t mode) override {
    return ErrorOf([&] { return ::fchmod(fd, mode); });
  }

  int SetModifyTime(int fd, std::int64_t modify_time_ns) override {
    constexpr std::int64_t kSecond = 1'000'000'000;
    // Rounded down also before 1970: a timespec's nanoseconds are never negative.
    const std::int64_t fraction = ((modify_time_ns % kSecond) + kSecond) % kSecond;
    const std::array<timespec, 2> times = {
        timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
        timespec{.tv_sec = (modify_time_ns - fraction) / kSecond, .tv_nsec = fraction}};
    return ErrorOf([&] { return ::futimens(fd, times.data()); });
  }

  int SetXattr(int fd, const std::string& name, const std::string& value) override {
    return ErrorOf(
        [&] { return ::fsetxattr(fd, name.c_str(), value.data(), value.size(), /*flags=*/0); });
  }

 private:
  static int Rename(int from_directory, const std::string& from, int to_directory,
                    const std::string& to, unsigned flags) {
    return ErrorOf(
        [&] { return ::renameat2(from_directory, from.c_str(), to_directory, to.c_str(), flags); });
  }
};

}  // namespace

FsOps& SystemFsOps() {
  static RealFsOps ops;
  return ops;
}

}  // namespace sluice
