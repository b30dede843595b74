#include "pipeline/fs/content_digester.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/hasher.h"

namespace sluice {

namespace {

using Buffer = std::array<std::uint8_t, FileContentDigester::kReadBufferBytes>;

// One for each thread that reads, made when it first does.
Buffer& ThreadBuffer() {
  thread_local const std::unique_ptr<Buffer> buffer = std::make_unique_for_overwrite<Buffer>();
  return *buffer;
}

// A range of bytes of a file.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Extent ExtentOf(ContentPart part, std::uint64_t size) {
  switch (part) {
    case ContentPart::kPrefix:
      return {.begin = 0, .end = std::min(size, kContentEndBytes)};
    case ContentPart::kSuffix:
      return {.begin = size - std::min(size, kContentEndBytes), .end = size};
    case ContentPart::kWhole:
      break;
  }
  return {.begin = 0, .end = size};
}

ItemError ChangedError(std::string path, std::string message) {
  return {.path = std::move(path),
          .operation = "open",
          .reason = ItemError::Reason::kChanged,
          .message = std::move(message)};
}

// Reading must not move the access time, but only owners may ask for that.
AllowedRoots::OpenResult OpenForReading(const AllowedRoots& roots, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  AllowedRoots::OpenResult file = roots.OpenPath(path, kFlags | O_NOATIME);
  if (file.error_number == EPERM) file = roots.OpenPath(path, kFlags);
  return file;
}

// This read's share of DigestRequest::reading.
class LiveBytes final {
 public:
  explicit LiveBytes(std::atomic<std::uint64_t>* sum) : sum_(sum) {}
  LiveBytes(const LiveBytes&) = delete;
  LiveBytes& operator=(const LiveBytes&) = delete;
  ~LiveBytes() {
    if (sum_ != nullptr) sum_->fetch_sub(share_, std::memory_order_relaxed);
  }

  void Add(std::uint64_t bytes) {
    share_ += bytes;
    if (sum_ != nullptr) sum_->fetch_add(bytes, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t>* const sum_;
  std::uint64_t share_ = 0;
};

struct ReadOutcome {
  int error_number = 0;
  std::uint64_t bytes_read = 0;
};

// Hashes the bytes of `extent`. Asks for one byte more than there should be where the extent ends
// at the end of the file, so that the same call tells whether the file has grown.
ReadOutcome HashExtent(int fd, Extent extent, bool to_end_of_file, Hasher& hasher,
                       std::atomic<std::uint64_t>* reading, const std::stop_token& stop) {
  Buffer& buffer = ThreadBuffer();
  LiveBytes live(reading);
  ReadOutcome outcome;
  const std::uint64_t wanted = extent.end - extent.begin + (to_end_of_file ? 1 : 0);
  while (outcome.bytes_read < wanted) {
    ThrowIfStopRequested(stop);
    const auto room = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), wanted - outcome.bytes_read));
    const ssize_t count =
        ::pread(fd, buffer.data(), room, static_cast<off_t>(extent.begin + outcome.bytes_read));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      outcome.error_number = errno;
      break;
    }
    if (count == 0) break;
    outcome.bytes_read += static_cast<std::uint64_t>(count);
    live.Add(static_cast<std::uint64_t>(count));
    hasher.Update(std::span(buffer).first(static_cast<std::size_t>(count)));
  }
  return outcome;
}

}  // namespace

std::optional<ItemResult<ContentDigest>> FileContentDigester::TryDigest(
    const DigestRequest& request, const std::stop_token& stop, std::uint64_t& bytes_read) {
  const AllowedRoots::OpenResult file = OpenForReading(roots_, request.path);
  if (!file.fd.valid()) return MakeItemError(request.path, "open", file.error_number);
  FileStat before;
  if (const int error = StatFd(file.fd.get(), &before); error != 0) {
    return MakeItemError(request.path, "stat", error);
  }
  if (before.type != FileType::kRegular) {
    return ChangedError(request.path, "is no regular file any more");
  }
  if (request.on_change == DigestRequest::OnChange::kFail &&
      !SameVersion(before, request.expected)) {
    return ChangedError(request.path, "has changed since it was recorded");
  }

  const Extent extent = ExtentOf(request.part, before.size);
  if (extent.end - extent.begin > kReadBufferBytes) {
    ::posix_fadvise(file.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  const std::unique_ptr<Hasher> hasher = MakeHasher(request.algorithm);
  const ReadOutcome read =
      HashExtent(file.fd.get(), extent, extent.end == before.size, *hasher, request.reading, stop);
  bytes_read += read.bytes_read;
  if (read.error_number != 0) return MakeItemError(request.path, "read", read.error_number);
  if (after_read_ != nullptr) after_read_(request.path);

  FileStat after;
  if (const int error = StatFd(file.fd.get(), &after); error != 0) {
    return MakeItemError(request.path, "stat", error);
  }
  if (!SameVersion(before, after) || read.bytes_read != extent.end - extent.begin) {
    return std::nullopt;
  }
  return ContentDigest{.digest = hasher->Finish(), .stat = after, .bytes_read = bytes_read};
}

ItemResult<ContentDigest> FileContentDigester::DigestFile(const DigestRequest& request,
                                                          const std::stop_token& stop) {
  std::uint64_t bytes_read = 0;
  for (int i = 0; i < kReadTries; ++i) {
    ThrowIfStopRequested(stop);
    std::optional<ItemResult<ContentDigest>> result = TryDigest(request, stop, bytes_read);
    if (result) return *std::move(result);
  }
  return ItemError{.path = request.path,
                   .operation = "read",
                   .reason = ItemError::Reason::kUnstable,
                   .message = "kept changing while it was read"};
}

std::optional<ItemError> FileContentDigester::CheckVersion(const std::string& path,
                                                           const FileStat& expected) {
  const AllowedRoots::OpenResult file = roots_.OpenPath(path, O_PATH);
  if (!file.fd.valid()) return MakeItemError(path, "open", file.error_number);
  FileStat now;
  if (const int error = StatFd(file.fd.get(), &now); error != 0) {
    return MakeItemError(path, "stat", error);
  }
  if (now.type != FileType::kRegular) return ChangedError(path, "is no regular file any more");
  if (!SameVersion(now, expected)) return ChangedError(path, "has changed since it was recorded");
  return std::nullopt;
}

}  // namespace sluice
