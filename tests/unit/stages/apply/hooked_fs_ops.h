#ifndef SLUICE_TESTS_UNIT_STAGES_APPLY_HOOKED_FS_OPS_H_
#define SLUICE_TESTS_UNIT_STAGES_APPLY_HOOKED_FS_OPS_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/fs/fs_ops.h"

namespace sluice {

// The real system calls, each announced before it is made: whoever hears of it may let it fail with
// an errno (0: it is made), change files, or end the process.
class HookedFsOps final : public FsOps {
 public:
  using Hook = std::function<int(std::string_view call)>;

  explicit HookedFsOps(Hook before) : before_(std::move(before)) {}

#define SLUICE_HOOKED(name, parameters, arguments)      \
  int name parameters override {                        \
    if (const int error = before_(#name)) return error; \
    return real_.name arguments;                        \
  }

  SLUICE_HOOKED(OpenBeneath,
                (int directory, std::string_view path, int flags, mode_t mode, UniqueFd* opened),
                (directory, path, flags, mode, opened))
  SLUICE_HOOKED(Stat, (int fd, FileStat* stat), (fd, stat))
  SLUICE_HOOKED(StatAt, (int directory, const std::string& name, FileStat* stat),
                (directory, name, stat))
  SLUICE_HOOKED(ReadLink, (int directory, const std::string& name, std::string* target),
                (directory, name, target))
  SLUICE_HOOKED(MountId, (int fd, std::uint64_t* id), (fd, id))
  SLUICE_HOOKED(StatFileSystem, (int fd, FileSystem* file_system), (fd, file_system))
  SLUICE_HOOKED(Read,
                (int fd, std::uint64_t offset, std::span<std::uint8_t> to, std::size_t* count),
                (fd, offset, to, count))
  SLUICE_HOOKED(GetFlags, (int fd, std::uint32_t* flags), (fd, flags))
  SLUICE_HOOKED(ExclusiveBytes, (int fd, std::uint64_t* bytes), (fd, bytes))
  SLUICE_HOOKED(ListXattrs, (int fd, std::string* names), (fd, names))
  SLUICE_HOOKED(GetXattr, (int fd, const std::string& name, std::string* value), (fd, name, value))
  SLUICE_HOOKED(CheckWritable, (int directory), (directory))
  SLUICE_HOOKED(TakeReadLease, (int fd), (fd))
  SLUICE_HOOKED(HoldsLease, (int fd, bool* holds), (fd, holds))
  SLUICE_HOOKED(ReleaseLease, (int fd), (fd))
  SLUICE_HOOKED(Sync, (int fd), (fd))
  SLUICE_HOOKED(MakeDirectory, (int directory, const std::string& name, mode_t mode),
                (directory, name, mode))
  SLUICE_HOOKED(RemoveDirectory, (int directory, const std::string& name), (directory, name))
  SLUICE_HOOKED(LinkFile, (int fd, int directory, const std::string& name), (fd, directory, name))
  SLUICE_HOOKED(MakeSymlink, (const std::string& target, int directory, const std::string& name),
                (target, directory, name))
  SLUICE_HOOKED(Exchange,
                (int directory, const std::string& name, int other, const std::string& other_name),
                (directory, name, other, other_name))
  SLUICE_HOOKED(MoveNoReplace,
                (int from, const std::string& name, int to, const std::string& to_name),
                (from, name, to, to_name))
  SLUICE_HOOKED(Unlink, (int directory, const std::string& name), (directory, name))
  SLUICE_HOOKED(Write, (int fd, std::uint64_t offset, std::span<const std::uint8_t> from),
                (fd, offset, from))
  SLUICE_HOOKED(Truncate, (int fd, std::uint64_t size), (fd, size))
  SLUICE_HOOKED(Clone, (int from, int to), (from, to))
  SLUICE_HOOKED(Dedupe,
                (int from, int to, std::uint64_t offset, std::uint64_t length,
                 std::uint64_t* deduped, bool* same),
                (from, to, offset, length, deduped, same))
  SLUICE_HOOKED(SetOwner, (int fd, std::uint32_t uid, std::uint32_t gid), (fd, uid, gid))
  SLUICE_HOOKED(SetMode, (int fd, std::uint32_t mode), (fd, mode))
  SLUICE_HOOKED(SetModifyTime, (int fd, std::int64_t time), (fd, time))
  SLUICE_HOOKED(SetXattr, (int fd, const std::string& name, const std::string& value),
                (fd, name, value))
#undef SLUICE_HOOKED

 private:
  FsOps& real_ = SystemFsOps();
  Hook before_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_APPLY_HOOKED_FS_OPS_H_
