#include "pipeline/stages/apply/pinned_file.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace sluice {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
constexpr int kFileFlags = O_RDONLY | O_NONBLOCK;

std::optional<SkipReason> SkipReasonOf(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ESTALE:
      return SkipReason::kVanished;
    case ELOOP:
    case EXDEV:
      return SkipReason::kNotAllowed;
    case EACCES:
    case EPERM:
      return SkipReason::kPermissionDenied;
    default:
      return std::nullopt;
  }
}

ChangeError ErrorOf(std::string operation, int error_number) {
  return {.skip = SkipReasonOf(error_number),
          .operation = std::move(operation),
          .error_number = error_number};
}

// File systems whose leases do not see every writer: those of other hosts, of the layer below, or
// of a daemon.
bool LeasesAreBlind(std::int64_t type) {
  constexpr std::array<std::int64_t, 9> kTypes = {
      0x794c7630,  // overlayfs
      0x6969,      // NFS
      0x65735546,  // FUSE
      0xFF534D42,  // CIFS
      0xFE534D42,  // SMB2
      0x01021997,  // 9P
      0x00c36400,  // Ceph
      0x5346414F,  // AFS
      0x01161970,  // GFS2
  };
  return std::ranges::find(kTypes, type) != kTypes.end();
}

// That no file of this file system can be leased (EINVAL also where the system has them off), as
// opposed to this one, or now.
bool MeansNoLeases(int error_number) {
  return error_number == EINVAL || error_number == EOPNOTSUPP || error_number == ENOSYS ||
         error_number == ENOLCK;
}

int OpenQuietly(FsOps& fs, const PinnedName& at, UniqueFd* fd) {
  // Only owners may leave the access time alone.
  const int error = fs.OpenBeneath(at.directory.get(), at.name, kFileFlags | O_NOATIME, 0, fd);
  return error == EPERM ? fs.OpenBeneath(at.directory.get(), at.name, kFileFlags, 0, fd) : error;
}

}  // namespace

std::optional<ChangeError> PinName(FsOps& fs, const AllowedRoots& roots, const std::string& path,
                                   PinnedName* pinned) {
  const std::optional<AllowedRoots::Location> location = roots.Locate(path);
  // A root itself has no name within the roots.
  if (!location || location->below.empty()) {
    return ChangeError{
        .skip = SkipReason::kNotAllowed, .operation = "open directory", .error_number = EACCES};
  }
  const std::size_t slash = location->below.rfind('/');
  const bool in_root = slash == std::string_view::npos;
  const std::string_view directory = in_root ? "." : location->below.substr(0, slash);
  pinned->name = location->below.substr(in_root ? 0 : slash + 1);
  pinned->path = path;
  const int error =
      fs.OpenBeneath(location->directory, directory, kDirectoryFlags, 0, &pinned->directory);
  if (error != 0) return ErrorOf("open directory", error);
  return std::nullopt;
}

std::optional<ChangeError> OpenPinned(FsOps& fs, PinnedName at, PinnedFile* pinned) {
  pinned->at = std::move(at);
  // To look before opening costs a call, and spares devices and FIFOs being opened.
  int error = fs.StatAt(pinned->at.directory.get(), pinned->at.name, &pinned->stat);
  if (error != 0) return ErrorOf("stat", error);
  ChangeError other_type = {.skip = SkipReason::kType, .operation = "open", .error_number = EINVAL};
  if (pinned->stat.type != FileType::kRegular) return other_type;
  error = OpenQuietly(fs, pinned->at, &pinned->fd);
  if (error == ELOOP) return other_type;  // Replaced by a symbolic link in between.
  if (error != 0) return ErrorOf("open", error);
  error = fs.Stat(pinned->fd.get(), &pinned->stat);
  if (error != 0) return ErrorOf("stat", error);
  if (pinned->stat.type != FileType::kRegular) return other_type;
  return std::nullopt;
}

std::optional<ChangeError> PinFile(FsOps& fs, const AllowedRoots& roots, const std::string& path,
                                   PinnedFile* pinned) {
  PinnedName at;
  if (auto error = PinName(fs, roots, path, &at)) return error;
  return OpenPinned(fs, std::move(at), pinned);
}

std::optional<ChangeError> TakeLease(FsOps& fs, int fd, Unleased unleased, Lease* lease) {
  FsOps::FileSystem file_system;
  if (const int error = fs.StatFileSystem(fd, &file_system)) return ErrorOf("lease", error);
  const int error = LeasesAreBlind(file_system.type) ? EOPNOTSUPP : fs.TakeReadLease(fd);
  if (error == 0) {
    *lease = Lease(fs, fd);
    return std::nullopt;
  }
  if (error == EAGAIN) return Skip(SkipReason::kBusy, "lease");
  // EACCES among them: this process may not have one, and somebody may be writing.
  if (!MeansNoLeases(error)) return ErrorOf("lease", error);
  if (unleased == Unleased::kAllow) return std::nullopt;
  return Skip(SkipReason::kLeasesUnsupported, "lease");
}

}  // namespace sluice
