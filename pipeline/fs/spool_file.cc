#include "pipeline/fs/spool_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

namespace {

[[noreturn]] void ThrowIoError(std::string_view operation, int error_number) {
  const std::string message = absl::StrCat("temporary file: ", std::string(operation), ": ",
                                           std::generic_category().message(error_number));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      throw StatusError(absl::ResourceExhaustedError(message));
    default:
      throw StatusError(absl::UnavailableError(message));
  }
}

// Without a name from the start where the file system can do that.
UniqueFd OpenUnlinked(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) ThrowIoError("open", errno);
  std::string path = directory + "/.spool-XXXXXX";
  fd = UniqueFd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) ThrowIoError("open", errno);
  if (::unlink(path.c_str()) != 0) ThrowIoError("unlink", errno);
  return fd;
}

}  // namespace

void AppendBytes(std::string_view bytes, std::string* out) {
  assert(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  AppendValue(static_cast<std::uint32_t>(bytes.size()), out);
  out->append(bytes);
}

std::string TakeBytes(std::string_view* in) {
  const auto size = TakeValue<std::uint32_t>(in);
  assert(in->size() >= size);
  std::string bytes(in->substr(0, size));
  in->remove_prefix(size);
  return bytes;
}

namespace internal {

SpoolFile::SpoolFile(const std::string& directory) : fd_(OpenUnlinked(directory)) {}

void SpoolFile::Append(std::string_view bytes) {
  buffer_.append(bytes);
  WriteIfFull();
}

void SpoolFile::AppendRecord(std::string_view record) {
  AppendBytes(record, &buffer_);
  WriteIfFull();
}

void SpoolFile::Flush() {
  WriteBuffer();
  buffer_.shrink_to_fit();
}

void SpoolFile::WriteBuffer() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t count =
        ::pwrite(fd_.get(), rest.data(), rest.size(), static_cast<off_t>(written_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowIoError("write", errno);
    written_ += static_cast<std::uint64_t>(count);
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  buffer_.clear();
}

std::size_t SpoolFile::ReadAt(std::uint64_t offset, char* to, std::size_t size) const {
  std::size_t total = 0;
  while (total < size) {
    const ssize_t count =
        ::pread(fd_.get(), to + total, size - total, static_cast<off_t>(offset + total));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowIoError("read", errno);
    if (count == 0) break;
    total += static_cast<std::size_t>(count);
  }
  return total;
}

SpoolReader& SpoolReader::operator=(const SpoolReader& other) {
  if (this != &other) *this = SpoolReader(other);
  return *this;
}

std::optional<std::string_view> SpoolReader::Next() {
  if (next_ == file_->size()) return std::nullopt;
  std::string_view prefix = Peek(sizeof(std::uint32_t));
  const auto size = TakeValue<std::uint32_t>(&prefix);
  std::string_view record = Peek(sizeof size + size);
  record.remove_prefix(sizeof size);
  next_ += sizeof size + size;
  return record;
}

std::string_view SpoolReader::Peek(std::size_t size) {
  const bool buffered = next_ >= buffer_start_ && next_ + size <= buffer_start_ + buffer_.size();
  if (!buffered) {
    buffer_.resize(std::max(size, buffer_bytes_));
    buffer_.resize(file_->ReadAt(next_, buffer_.data(), buffer_.size()));
    buffer_start_ = next_;
    if (buffer_.size() < size) ThrowIoError("read", EIO);
  }
  return std::string_view(buffer_).substr(next_ - buffer_start_, size);
}

}  // namespace internal
}  // namespace sluice
