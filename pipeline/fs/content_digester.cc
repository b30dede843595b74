#include "pipeline/fs/content_digester.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/file_reading.h"

namespace sluice {

ItemError ChangedSinceRecorded(std::string path) {
  return {.path = std::move(path),
          .operation = "open",
          .reason = ItemError::Reason::kChanged,
          .message = "has changed since it was recorded"};
}

Task<ItemResult<ContentDigest>> FileContentDigester::DigestFile(DigestRequest request,
                                                                Executor& executor,
                                                                std::stop_token stop) {
  using OnChange = DigestRequest::OnChange;
  FileStat version = request.expected;
  int opened = request.opened;
  std::uint64_t bytes_of_failed_tries = 0;
  for (int i = 0; i < kReadTries; ++i) {
    ThrowIfStopRequested(stop);
    FileReading reading(request, version);
    std::optional<ItemError> error = reading.Open(roots_, std::exchange(opened, -1));
    if (!error && !reading.done()) error = reading.ReadSome(stop);
    if (reading.has_waited()) AllowReadAhead();
    while (!error && !reading.done()) {
      co_await executor.YieldIfBusy();
      error = reading.ReadSome(stop);
    }
    if (!error && after_read_ != nullptr) after_read_(request.path);
    if (!error) error = reading.CheckVersion();
    if (error) co_return *std::move(error);
    if (reading.is_of_version()) {
      co_return ContentDigest{.digest = reading.Finish(),
                              .stat = reading.found(),
                              .bytes_read = bytes_of_failed_tries + reading.bytes_read(),
                              .kept = reading.kept()};
    }
    if (request.on_change == OnChange::kFail && !SameVersion(reading.found(), version)) {
      co_return ChangedSinceRecorded(std::move(request.path));
    }
    version = reading.found();
    bytes_of_failed_tries += reading.bytes_read();
  }
  co_return ItemError{.path = std::move(request.path),
                      .operation = "read",
                      .reason = ItemError::Reason::kUnstable,
                      .message = "kept changing while it was read"};
}

void FileContentDigester::ReadAhead(const DigestRequest& request, OpenedFile& file) {
  if (file.fd() < 0) file = Open(request.path);
  if (file.fd() < 0 || files_to_read_ahead_.load(std::memory_order_relaxed) <= 0) return;
  files_to_read_ahead_.fetch_sub(1, std::memory_order_relaxed);
  for (const Extent& extent : ExtentsOf(request.part, request.expected.size)) {
    const std::uint64_t size = std::min(extent.size(), kReadAheadBytes);
    if (size == 0) continue;
    // What cannot be brought ahead is brought when it is read.
    ::posix_fadvise(file.fd(), static_cast<off_t>(extent.begin), static_cast<off_t>(size),
                    POSIX_FADV_WILLNEED);
  }
}

// A guess: what threads that come here together take from each other does not matter.
void FileContentDigester::AllowReadAhead() {
  const int allowed = files_to_read_ahead_.load(std::memory_order_relaxed) + kFilesAheadOfWait;
  files_to_read_ahead_.store(std::min(allowed, kMaxFilesAhead), std::memory_order_relaxed);
}

OpenedFile FileContentDigester::Open(const std::string& path) {
  OpenedFile file;
  if (opened_.fetch_add(1, std::memory_order_relaxed) < kMaxOpened) {
    file = OpenedFile(OpenForReading(roots_, path).fd, &opened_);
  } else {
    opened_.fetch_sub(1, std::memory_order_relaxed);
  }
  return file;
}

}  // namespace sluice
