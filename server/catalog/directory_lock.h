#ifndef SLUICE_SERVER_CATALOG_DIRECTORY_LOCK_H_
#define SLUICE_SERVER_CATALOG_DIRECTORY_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "pipeline/fs/unique_fd.h"

namespace sluice {

// Keeps a directory to one process: an exclusive flock on its file LOCK, which holds the process id
// for people to read. The kernel drops the lock with the process, however it ends, so that there is
// no stale lock to clear; the file stays.
class DirectoryLock final {
 public:
  // FAILED_PRECONDITION when another process (or this one) has the lock, with its process id, or
  // when the directory cannot be written.
  static absl::StatusOr<DirectoryLock> Acquire(const std::string& directory);

 private:
  explicit DirectoryLock(UniqueFd file) : file_(std::move(file)) {}

  UniqueFd file_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_DIRECTORY_LOCK_H_
