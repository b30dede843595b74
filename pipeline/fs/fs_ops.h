#ifndef SLUICE_PIPELINE_FS_FS_OPS_H_
#define SLUICE_PIPELINE_FS_FS_OPS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/fs/file.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

// The system calls that changing files takes
// ==========================================
//
// Whatever apply, undo and their recovery do to files goes through here, one method a system call,
// so that a test can make each of them fail, or be the last one of the process. Descriptors and
// names relative to them only: no method resolves a path of more than one component, but for
// OpenBeneath, which resolves below its directory (see roots.h).
//
// All return 0 or errno; what they find goes into their last argument. EINTR is tried again within.
// Thread-safe. Blocks on the disk.
class FsOps {
 public:
  FsOps() = default;
  FsOps(const FsOps&) = delete;
  FsOps& operator=(const FsOps&) = delete;
  virtual ~FsOps() = default;

  // Looking.
  // As the function OpenBeneath of roots.h: no link is followed. `mode` where O_CREAT is among the
  // flags (with O_EXCL).
  virtual int OpenBeneath(int directory, std::string_view path, int flags, mode_t mode,
                          UniqueFd* opened) = 0;
  virtual int Stat(int fd, FileStat* stat) = 0;
  virtual int StatAt(int directory, const std::string& name, FileStat* stat) = 0;  // lstat.
  virtual int ReadLink(int directory, const std::string& name, std::string* target) = 0;
  // What distinguishes the mount that `fd` lies on from all others: bind mounts of one file system
  // are different mounts.
  virtual int MountId(int fd, std::uint64_t* mount_id) = 0;
  // f_type of statfs, and whether the mount is read-only.
  struct FileSystem {
    std::int64_t type = 0;
    bool read_only = false;
  };
  virtual int StatFileSystem(int fd, FileSystem* file_system) = 0;
  // Fewer bytes than asked for only at the end of the file.
  virtual int Read(int fd, std::uint64_t offset, std::span<std::uint8_t> to,
                   std::size_t* count) = 0;
  // FS_IOC_GETFLAGS; 0 where the file system has none.
  virtual int GetFlags(int fd, std::uint32_t* flags) = 0;
  // Bytes of storage that only this inode uses: what is allocated, less what is shared with others
  // (FIEMAP, where the file system tells).
  virtual int ExclusiveBytes(int fd, std::uint64_t* bytes) = 0;
  // flistxattr: names, each ended by a zero byte. fgetxattr. E2BIG beyond 64 KiB (the kernel's own
  // bound).
  virtual int ListXattrs(int fd, std::string* names) = 0;
  virtual int GetXattr(int fd, const std::string& name, std::string* value) = 0;
  // Whether this process may write to the directory.
  virtual int CheckWritable(int directory) = 0;

  // Leases: a read lease is granted while nobody has the file open for writing (or mapped so), and
  // broken when somebody is about to. The signal that tells of a break is SIGURG, which a process
  // ignores unless it asks for it. EAGAIN: somebody has.
  virtual int TakeReadLease(int fd) = 0;
  virtual int HoldsLease(int fd, bool* holds) = 0;  // Not being broken, either.
  virtual int ReleaseLease(int fd) = 0;

  // flock of an open directory or file, until its descriptor is closed. A shared one is waited for;
  // an exclusive one is EWOULDBLOCK while anybody else, of this process or another, has it.
  enum class Lock : std::uint8_t { kShared, kExclusive };
  virtual int TakeLock(int fd, Lock lock) = 0;

  // Changing. `Sync` is fsync.
  virtual int Sync(int fd) = 0;
  virtual int MakeDirectory(int directory, const std::string& name, mode_t mode) = 0;
  virtual int RemoveDirectory(int directory, const std::string& name) = 0;
  // A name for the very inode that `fd` is open for.
  virtual int LinkFile(int fd, int directory, const std::string& name) = 0;
  virtual int MakeSymlink(const std::string& target, int directory, const std::string& name) = 0;
  // RENAME_EXCHANGE and RENAME_NOREPLACE.
  virtual int Exchange(int directory, const std::string& name, int other_directory,
                       const std::string& other_name) = 0;
  virtual int MoveNoReplace(int from_directory, const std::string& from, int to_directory,
                            const std::string& to) = 0;
  virtual int Unlink(int directory, const std::string& name) = 0;
  virtual int Write(int fd, std::uint64_t offset, std::span<const std::uint8_t> from) = 0;  // All.
  virtual int Truncate(int fd, std::uint64_t size) = 0;
  // FICLONE: EOPNOTSUPP, EXDEV, EINVAL where it is not to be had.
  virtual int Clone(int from, int to) = 0;
  // FIDEDUPERANGE of one range: bytes that now share storage; `same` is false when they differ.
  virtual int Dedupe(int from, int to, std::uint64_t offset, std::uint64_t length,
                     std::uint64_t* deduped, bool* same) = 0;
  virtual int SetOwner(int fd, std::uint32_t uid, std::uint32_t gid) = 0;
  virtual int SetMode(int fd, std::uint32_t mode) = 0;
  virtual int SetModifyTime(int fd, std::int64_t modify_time_ns) = 0;  // Access time stays.
  virtual int SetXattr(int fd, const std::string& name, const std::string& value) = 0;
};

// The real ones. One object serves all.
FsOps& SystemFsOps();

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_FS_OPS_H_
