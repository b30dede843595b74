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
#include <variant>

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

// One try to read the extent of a file that a request names.
// The buffer is the thread's: nothing of it is kept from one ReadSome to the next, which may be
// called on another thread. Lifetime: `request` outlives it.
class FileReading final {
 public:
  explicit FileReading(const DigestRequest& request)
      : request_(request), live_(request.reading), hasher_(MakeHasher(request.algorithm)) {}

  std::optional<ItemError> Open(const AllowedRoots& roots);
  // At most kYieldBytes. REQUIRES: opened.
  std::optional<ItemError> ReadSome(const std::stop_token& stop);
  bool done() const { return done_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

  // nullopt when the file changed meanwhile. REQUIRES: done.
  std::optional<ItemResult<ContentDigest>> Finish();

 private:
  std::uint64_t size() const { return extent_.end - extent_.begin; }

  const DigestRequest& request_;
  LiveBytes live_;
  const std::unique_ptr<Hasher> hasher_;
  UniqueFd fd_;
  FileStat before_;
  Extent extent_;
  std::uint64_t bytes_read_ = 0;
  bool done_ = false;
};

std::optional<ItemError> FileReading::Open(const AllowedRoots& roots) {
  AllowedRoots::OpenResult file = OpenForReading(roots, request_.path);
  if (!file.fd.valid()) return MakeItemError(request_.path, "open", file.error_number);
  fd_ = std::move(file.fd);
  if (const int error = StatFd(fd_.get(), &before_); error != 0) {
    return MakeItemError(request_.path, "stat", error);
  }
  if (before_.type != FileType::kRegular) {
    return ChangedError(request_.path, "is no regular file any more");
  }
  if (request_.on_change == DigestRequest::OnChange::kFail &&
      !SameVersion(before_, request_.expected)) {
    return ChangedError(request_.path, "has changed since it was recorded");
  }
  extent_ = ExtentOf(request_.part, before_.size);
  if (size() > FileContentDigester::kReadBufferBytes) {
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  return std::nullopt;
}

// Asks for one byte more than there should be where the extent ends at the end of the file, so that
// the same call tells whether the file has grown.
std::optional<ItemError> FileReading::ReadSome(const std::stop_token& stop) {
  Buffer& buffer = ThreadBuffer();
  const std::uint64_t all = size() + (extent_.end == before_.size ? 1 : 0);
  const std::uint64_t until = std::min(all, bytes_read_ + FileContentDigester::kYieldBytes);
  while (bytes_read_ < until) {
    ThrowIfStopRequested(stop);
    const std::size_t room = std::min<std::uint64_t>(buffer.size(), until - bytes_read_);
    const ssize_t count =
        ::pread(fd_.get(), buffer.data(), room, static_cast<off_t>(extent_.begin + bytes_read_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return MakeItemError(request_.path, "read", errno);
    if (count == 0) break;
    const std::span<const std::uint8_t> bytes = std::span(buffer).first(count);
    bytes_read_ += bytes.size();
    live_.Add(bytes.size());
    hasher_->Update(bytes);
  }
  done_ = bytes_read_ < until || until == all;
  return std::nullopt;
}

std::optional<ItemResult<ContentDigest>> FileReading::Finish() {
  FileStat after;
  if (const int error = StatFd(fd_.get(), &after); error != 0) {
    return MakeItemError(request_.path, "stat", error);
  }
  if (!SameVersion(before_, after) || bytes_read_ != size()) return std::nullopt;
  return ContentDigest{.digest = hasher_->Finish(), .stat = after, .bytes_read = bytes_read_};
}

}  // namespace

Task<ItemResult<ContentDigest>> FileContentDigester::DigestFile(DigestRequest request,
                                                                Executor& executor,
                                                                std::stop_token stop) {
  std::uint64_t bytes_of_failed_tries = 0;
  for (int i = 0; i < kReadTries; ++i) {
    ThrowIfStopRequested(stop);
    FileReading reading(request);
    std::optional<ItemError> error = reading.Open(roots_);
    if (!error) error = reading.ReadSome(stop);
    while (!error && !reading.done()) {
      co_await executor.YieldIfBusy();
      error = reading.ReadSome(stop);
    }
    if (error) co_return *std::move(error);
    if (after_read_ != nullptr) after_read_(request.path);
    std::optional<ItemResult<ContentDigest>> result = reading.Finish();
    if (!result) {
      bytes_of_failed_tries += reading.bytes_read();
      continue;
    }
    auto* content = std::get_if<ContentDigest>(&*result);
    if (content != nullptr) content->bytes_read += bytes_of_failed_tries;
    co_return *std::move(result);
  }
  co_return ItemError{.path = std::move(request.path),
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
