#include "pipeline/fs/file_reading.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "pipeline/async/status_error.h"

namespace sluice {

namespace {

constexpr std::size_t kBufferBytes = FileContentDigester::kReadBufferBytes;
using Buffer = std::array<std::uint8_t, kBufferBytes>;

// One for each thread that reads, made when it first does.
Buffer& ThreadBuffer() {
  thread_local const std::unique_ptr<Buffer> buffer = std::make_unique_for_overwrite<Buffer>();
  return *buffer;
}

// Stays in the nearest cache while a hole is digested.
constexpr std::array<std::uint8_t, 32 * 1024> kZeros{};

}  // namespace

std::array<Extent, 2> ExtentsOf(ContentPart part, std::uint64_t size) {
  const std::uint64_t end = std::min(size, kContentEndBytes);
  const Extent suffix = {.begin = size - end, .end = size};
  switch (part) {
    case ContentPart::kPrefix:
      return {Extent(), Extent{.begin = 0, .end = end}};
    case ContentPart::kSuffix:
      if (size < kContentMiddleFromBytes) return {Extent(), suffix};
      return {Extent{.begin = size / 2, .end = size / 2 + kContentEndBytes}, suffix};
    case ContentPart::kWhole:
      break;
  }
  return {Extent(), Extent{.begin = 0, .end = size}};
}

AllowedRoots::OpenResult OpenForReading(const AllowedRoots& roots, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  AllowedRoots::OpenResult file = roots.OpenPath(path, kFlags | O_NOATIME);
  if (file.error_number == EPERM) file = roots.OpenPath(path, kFlags);
  return file;
}

FileReading::FileReading(const DigestRequest& request, const FileStat& version)
    : request_(request),
      version_(version),
      extents_(ExtentsOf(request.part, version.size)),
      has_holes_(version.allocated_bytes < version.size),
      data_{.begin = 0, .end = has_holes_ ? 0 : UINT64_MAX},
      at_(extents_[1].begin) {}

FileReading::~FileReading() {
  if (live_bytes_ > 0) request_.reading->fetch_sub(live_bytes_, std::memory_order_relaxed);
}

std::optional<ItemError> FileReading::Open(const AllowedRoots& roots, int opened) {
  opened_ = opened;
  if (opened_ < 0) {
    AllowedRoots::OpenResult file = OpenForReading(roots, request_.path);
    if (!file.fd.valid()) return MakeItemError(request_.path, "open", file.error_number);
    owned_ = std::move(file.fd);
  }
  if (size() < kBufferBytes) return std::nullopt;
  if (std::optional<ItemError> error = Stat()) return error;
  done_ = !SameVersion(version_, found_);
  if (!done_) ::posix_fadvise(fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::nullopt;
}

std::optional<ItemError> FileReading::Stat() {
  if (const int error = StatFd(fd(), &found_); error != 0) {
    return MakeItemError(request_.path, "stat", error);
  }
  if (found_.type == FileType::kRegular) return std::nullopt;
  return ItemError{.path = request_.path,
                   .operation = "open",
                   .reason = ItemError::Reason::kChanged,
                   .message = "is no regular file any more"};
}

std::optional<ItemError> FileReading::ReadError(int error_number) {
  // What is no regular file any more says that rather than how it refuses to be read.
  if (std::optional<ItemError> error = Stat()) return error;
  return MakeItemError(request_.path, "read", error_number);
}

std::optional<ItemError> FileReading::ReadSome(const std::stop_token& stop) {
  return size() < kBufferBytes ? ReadAtOnce() : ReadOn(stop);
}

// Into the caller's memory if there is enough of it.
std::optional<ItemError> FileReading::ReadAtOnce() {
  kept_ = size() > 0 && request_.keep.size() >= size();
  const std::span<std::uint8_t> to = kept_ ? request_.keep : std::span(ThreadBuffer());
  std::uint64_t filled = 0;
  for (const Extent& extent : extents_) {
    if (std::optional<ItemError> error = ReadExtent(extent, to, filled)) return error;
  }
  done_ = true;
  complete_ = filled == size();
  if (complete_) digest_ = DigestOf(request_.algorithm, to.first(filled));
  return std::nullopt;
}

// Where the extent ends with the file, one byte more than there should be is asked for, so that the
// same call tells whether there is more. An empty file is asked, too.
std::optional<ItemError> FileReading::ReadExtent(const Extent& extent, std::span<std::uint8_t> to,
                                                 std::uint64_t& filled) {
  const std::uint64_t beyond = extent.end == version_.size ? 1 : 0;
  std::uint64_t at = extent.begin;
  while (at < extent.end || at == version_.size) {
    const std::span<std::uint8_t> rest = to.subspan(filled);
    std::uint64_t count = std::min(HoleAt(at), extent.end - at);
    if (count > 0) {
      std::ranges::fill(rest.first(count), 0);
    } else {
      const std::uint64_t room = std::min<std::uint64_t>(rest.size(), extent.end - at + beyond);
      if (const int error = ReadData(at, rest.first(room), count)) return ReadError(error);
      if (count == 0) break;
    }
    at += count;
    filled += count;
    if (at == extent.end) break;
  }
  return std::nullopt;
}

std::optional<ItemError> FileReading::ReadOn(const std::stop_token& stop) {
  if (!hasher_) hasher_ = MakeHasher(request_.algorithm);
  Buffer& buffer = ThreadBuffer();
  const std::uint64_t end = extents_[1].end;
  const std::uint64_t until = std::min(end, at_ + FileContentDigester::kYieldBytes);
  while (at_ < until) {
    ThrowIfStopRequested(stop);
    std::uint64_t count = std::min(HoleAt(at_), until - at_);
    if (count > 0) {
      DigestZeros(count);
    } else {
      const std::span<std::uint8_t> to =
          std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), until - at_));
      if (const int error = ReadData(at_, to, count)) return ReadError(error);
      if (count == 0) break;
      hasher_->Update(to.first(count));
    }
    at_ += count;
    AddLiveBytes(count);
  }
  complete_ = at_ == end;
  done_ = complete_ || at_ < until;
  return std::nullopt;
}

void FileReading::DigestZeros(std::uint64_t count) {
  for (; count > kZeros.size(); count -= kZeros.size()) hasher_->Update(kZeros);
  hasher_->Update(std::span(kZeros).first(count));
}

std::uint64_t FileReading::HoleAt(std::uint64_t offset) {
  if (offset >= data_.end) FindData(offset);
  return data_.begin > offset ? data_.begin - offset : 0;
}

// What there is without waiting for the disk; -1: nothing.
ssize_t FileReading::ReadFromMemory(std::uint64_t offset, std::span<std::uint8_t> to) {
  const ::iovec room = {.iov_base = to.data(), .iov_len = to.size()};
  return ::preadv2(fd(), &room, 1, static_cast<off_t>(offset), RWF_NOWAIT);
}

// Returns 0 or errno. No bytes: the end of the file.
int FileReading::ReadData(std::uint64_t offset, std::span<std::uint8_t> to, std::uint64_t& count) {
  const std::size_t room = std::min<std::uint64_t>(to.size(), data_.end - offset);
  const bool is_small = size() < kBufferBytes;
  ssize_t result = is_small ? ReadFromMemory(offset, to.first(room)) : -1;
  if (is_small && result < 0) has_waited_ = true;
  while (result < 0) {
    result = ::pread(fd(), to.data(), room, static_cast<off_t>(offset));
    if (result < 0 && errno != EINTR) return errno;
  }
  count = static_cast<std::uint64_t>(result);
  bytes_read_ += count;
  return 0;
}

// The next range of bytes that are no hole. A file system that does not tell has none.
void FileReading::FindData(std::uint64_t from) {
  const off_t begin = ::lseek(fd(), static_cast<off_t>(from), SEEK_DATA);
  if (begin < 0) {
    const bool hole_to_the_end = errno == ENXIO;
    data_ = hole_to_the_end ? Extent{.begin = version_.size, .end = UINT64_MAX}
                            : Extent{.begin = from, .end = UINT64_MAX};
    return;
  }
  const off_t end = ::lseek(fd(), begin, SEEK_HOLE);
  data_ = {.begin = static_cast<std::uint64_t>(begin),
           .end = end > begin ? static_cast<std::uint64_t>(end) : UINT64_MAX};
}

void FileReading::AddLiveBytes(std::uint64_t count) {
  if (request_.reading == nullptr) return;
  live_bytes_ += count;
  request_.reading->fetch_add(count, std::memory_order_relaxed);
}

std::optional<ItemError> FileReading::CheckVersion() { return Stat(); }

Digest FileReading::Finish() {
  assert(is_of_version());
  return digest_ ? *digest_ : hasher_->Finish();
}

}  // namespace sluice
