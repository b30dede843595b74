#include "server/catalog/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

absl::Status LockFailed(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot lock ", path, ": ", std::generic_category().message(errno)));
}

// What the holder wrote; it may be about to.
std::string ReadHolder(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  if (size <= 0) return "?";
  return std::string(
      absl::StripAsciiWhitespace(absl::string_view(text.data(), static_cast<std::size_t>(size))));
}

}  // namespace

absl::StatusOr<DirectoryLock> DirectoryLock::Acquire(const std::string& directory) {
  const std::string path = directory + "/LOCK";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return LockFailed(path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return LockFailed(path);
    return absl::FailedPreconditionError(absl::StrCat("the catalog in ", directory,
                                                      " is in use by another process (pid ",
                                                      ReadHolder(file.get()), ")"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return LockFailed(path);
  }
  return DirectoryLock(std::move(file));
}

}  // namespace sluice
