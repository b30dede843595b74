#ifndef SLUICE_PIPELINE_STAGES_APPLY_PINNED_FILE_H_
#define SLUICE_PIPELINE_STAGES_APPLY_PINNED_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/fs/file.h"
#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/roots.h"
#include "pipeline/fs/unique_fd.h"
#include "pipeline/stages/apply/journal.h"
#include "pipeline/stages/apply/outcome.h"

namespace sluice {

// A directory held by a descriptor: whatever is renamed above it, names in it stay the same.
struct PinnedName {
  UniqueFd directory;  // O_RDONLY, so that it can be synced.
  std::string name;    // In it.
  std::string path;    // As it was found, for people.
};

// A regular file held by a descriptor (O_RDONLY), beside the name it was opened by.
struct PinnedFile {
  PinnedName at;
  UniqueFd fd;
  FileStat stat;

  InodeId id() const { return {.device = stat.device, .inode = stat.inode}; }
};

inline InodeId IdOf(const FileStat& stat) { return {.device = stat.device, .inode = stat.inode}; }

// Why something could not be done to a file: a reason to leave it alone, or a failure.
struct ChangeError {
  std::optional<SkipReason> skip = {};  // Where there is one for the errno.
  std::string operation = {};
  int error_number = 0;
};

// The error of what is left alone for this reason.
inline ChangeError Skip(SkipReason reason, std::string operation = "check") {
  return {.skip = reason, .operation = std::move(operation), .error_number = 0};
}

// Each resolves `path` within the allowed roots, through no symbolic link. nullopt: it is pinned.
std::optional<ChangeError> PinName(FsOps& fs, const AllowedRoots& roots, const std::string& path,
                                   PinnedName* pinned);
// What is no regular file is kType; nothing else is ever opened.
std::optional<ChangeError> PinFile(FsOps& fs, const AllowedRoots& roots, const std::string& path,
                                   PinnedFile* pinned);
std::optional<ChangeError> OpenPinned(FsOps& fs, PinnedName at, PinnedFile* pinned);

// A read lease on an open file while this lives. Move-only. Lifetime: `fs` and the descriptor's
// owner outlive it.
class Lease final {
 public:
  Lease() = default;
  Lease(FsOps& fs, int fd) : fs_(&fs), fd_(fd) {}
  Lease(Lease&& other) noexcept
      : fs_(std::exchange(other.fs_, nullptr)), fd_(std::exchange(other.fd_, -1)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      Release();
      fs_ = std::exchange(other.fs_, nullptr);
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Lease() { Release(); }

  // Nobody else has the file open for writing, or is about to. True where there is no lease, since
  // the request allowed that.
  bool holds() const {
    bool held = true;
    return fs_ == nullptr || (fs_->HoldsLease(fd_, &held) == 0 && held);
  }
  void Release() {
    // Fails only if there is none any more.
    if (fs_ != nullptr) (void)fs_->ReleaseLease(fd_);
    fs_ = nullptr;
  }

 private:
  FsOps* fs_ = nullptr;
  int fd_ = -1;
};

enum class Unleased : std::uint8_t { kRefuse, kAllow };

// Takes a lease, or none where the file system has none, or is not to be trusted with one, and
// `unleased` allows it. nullopt: done. Else kBusy, kLeasesUnsupported, kPermissionDenied (the file
// is another user's, and this process has no CAP_LEASE), or a failure.
std::optional<ChangeError> TakeLease(FsOps& fs, int fd, Unleased unleased, Lease* lease);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_PINNED_FILE_H_
