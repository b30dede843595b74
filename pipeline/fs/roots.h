#ifndef SLUICE_PIPELINE_FS_ROOTS_H_
#define SLUICE_PIPELINE_FS_ROOTS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

// The only doors to the file system
// =================================
//
// A server opens the roots that it was allowed once, at its start, and whatever it opens later is
// opened by openat2 relative to one of them with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
// RESOLVE_NO_SYMLINKS: neither "..", nor an absolute link, nor a link planted later leads out.
// Paths may be longer than PATH_MAX: they are resolved in pieces.
//
// Immutable after Open, thread-safe.
class AllowedRoots final {
 public:
  AllowedRoots() = default;

  // Opens every directory. Each may be reached by the name given or by its canonical name
  // (realpath). INVALID_ARGUMENT for a relative path; NOT_FOUND, FAILED_PRECONDITION (no
  // directory), PERMISSION_DENIED as the system says; the message names the path.
  static absl::StatusOr<AllowedRoots> Open(const std::vector<std::string>& paths);

  bool empty() const { return roots_.empty(); }
  std::vector<std::string> paths() const;

  // True when the normalized path lies within an allowed root, by the text alone.
  bool Allows(std::string_view path) const;

  // Opens a normalized path with `flags` (O_CLOEXEC | O_NOFOLLOW are added). The errno of the
  // failure is the error: EACCES when no root allows the path, ELOOP when a component is a symbolic
  // link, EXDEV on an attempt to escape. EINTR and EAGAIN are tried again.
  struct OpenResult {
    UniqueFd fd;
    int error_number = 0;  // 0 when `fd` is valid.
  };
  OpenResult OpenPath(std::string_view path, int flags) const;

  // The allowed root that a normalized path lies in, the innermost one: its directory (O_PATH), its
  // name as given, and the path below it (a part of `path`; empty for the root itself). nullopt
  // when no root allows the path. Lifetime of the directory: this object's.
  struct Location {
    int directory = -1;
    std::string_view root;
    std::string_view below;
  };
  std::optional<Location> Locate(std::string_view path) const;

 private:
  struct Root {
    std::string given;
    std::string canonical;
    UniqueFd directory;
  };
  struct Door {
    const Root* root = nullptr;  // None when no root allows the path.
    std::string_view rest;       // Of the path, below the root.
  };
  Door DoorTo(std::string_view path) const;

  std::vector<Root> roots_;
};

// openat2 with the resolution rules above, for one step of a walk: `path` relative to `directory`,
// of any length. `mode` where O_CREAT is among the flags; 0 otherwise.
AllowedRoots::OpenResult OpenBeneath(int directory, std::string_view path, int flags,
                                     mode_t mode = 0);

// lstat of `name` in `directory` / fstat, in the project's terms. Returns 0 or errno.
int StatAt(int directory, const char* name, FileStat* stat);
int StatFd(int fd, FileStat* stat);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_ROOTS_H_
