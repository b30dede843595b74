#ifndef SLUICE_PIPELINE_FS_CONTENT_DIGESTER_H_
#define SLUICE_PIPELINE_FS_CONTENT_DIGESTER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/roots.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

// Which part of a file's content is digested. A suffix is the end, and of a file of at least
// kContentMiddleFromBytes also as much from its middle, before it: large files that are the same at
// both ends (images, archives, databases of one size) mostly differ there, and need not be read.
enum class ContentPart : std::uint8_t { kPrefix, kSuffix, kWhole };

// Bytes of a prefix and of an end: a page, the least that is read from a disk. A file of at most
// this size is its own prefix. Catalogs keep digests of these parts: other sizes need a migration.
inline constexpr std::uint64_t kContentEndBytes = 4 * 1024;
// A file of at most this size is read whole sooner than its end alone.
inline constexpr std::uint64_t kContentSuffixFromBytes = 32 * 1024;
inline constexpr std::uint64_t kContentMiddleFromBytes = 128 * 1024;

struct DigestRequest {
  std::string path;  // Absolute bytes.
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  ContentPart part = ContentPart::kWhole;
  // The version that the digest is asked for. With kFail any other one is ItemError::kChanged (or
  // kVanished); with kFollow the file's version at the time of reading is taken.
  FileStat expected;
  enum class OnChange : std::uint8_t { kFail, kFollow } on_change = OnChange::kFail;
  // While a large file is read, its bytes so far (holes, too) are part of this sum: it can be
  // watched. To watch small ones would cost more than to read them.
  std::atomic<std::uint64_t>* reading = nullptr;
  // Where the bytes of a small part may be kept (ContentDigest::kept), if there is room for all of
  // them, to be digested once more without reading them again. Outlives the task.
  std::span<std::uint8_t> keep = {};
  // The OpenedFile that ReadAhead opened for `path`; -1: none. Stays the caller's.
  int opened = -1;
};

struct ContentDigest {
  Digest digest;
  FileStat stat;                 // The version that was read.
  std::uint64_t bytes_read = 0;  // Including tries that were given up; holes are not read.
  bool kept = false;             // The part's bytes are in DigestRequest::keep.
};

// A file that is open between reads of its parts, and its place among those that may be.
// Move-only. Lifetime: the digester outlives it.
class OpenedFile final {
 public:
  OpenedFile() = default;
  OpenedFile(UniqueFd fd, std::atomic<int>* count) : fd_(std::move(fd)), place_(count) {}

  int fd() const { return fd_.get(); }  // -1: none.

 private:
  struct GiveBack {
    void operator()(std::atomic<int>* count) const {
      count->fetch_sub(1, std::memory_order_relaxed);
    }
  };
  UniqueFd fd_;
  std::unique_ptr<std::atomic<int>, GiveBack> place_;
};

// The error of a name whose file is of another version than the one that was recorded.
ItemError ChangedSinceRecorded(std::string path);

// Reads files and digests their content. Behind an interface so that tests need no files.
// Thread-safe. Blocks on the disk: awaited on an executor's thread.
class ContentDigester {
 public:
  ContentDigester() = default;
  ContentDigester(const ContentDigester&) = delete;
  ContentDigester& operator=(const ContentDigester&) = delete;
  virtual ~ContentDigester() = default;

  // Runs on the thread that awaits it; a large file gives it back between two of its parts when
  // somebody waits for a thread of `executor`, and goes on there.
  // Throws Cancelled, within 100 ms on a disk that answers, when `stop` is requested.
  virtual Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& executor,
                                                     std::stop_token stop) = 0;

  // Has what `request` wants brought from the disk, without waiting, and opens the file for that
  // unless `file` is open: a batch of files whose reads were all begun so is read by one thread as
  // fast as by many. `file` stays closed when that fails (DigestFile will say how), or when too
  // many are open. For the real reads, it is DigestRequest::opened.
  virtual void ReadAhead(const DigestRequest& /*request*/, OpenedFile& /*file*/) {}
};

// The real one: opens beneath the allowed roots with O_NOFOLLOW | O_NONBLOCK (and O_NOATIME where
// permitted), and gives no digest of what is no regular file. A file that changes while it is read
// (kFollow) is read again, and after kReadTries tries is ItemError::kUnstable: never a digest of a
// mixture.
//
// A small file takes four calls: open, pread, fstat, close. The version is compared after reading
// only, which covers all the time since it was recorded: any change in between shows in it. What
// has taken the file's place meanwhile cannot harm: O_NONBLOCK opens a FIFO or a device without
// waiting, pread refuses a FIFO, a socket or a directory, and the fstat whatever is left.
//
// Holes are not read. Where they are is asked of the file system (SEEK_DATA), for files that have
// less storage than their size.
// Lifetime: `roots` outlives it.
class FileContentDigester final : public ContentDigester {
 public:
  static constexpr int kReadTries = 3;
  // Out of the page cache and into the nearest caches: smaller and larger ones are slower.
  static constexpr std::size_t kReadBufferBytes = 256 * 1024;
  // Some 20 ms: what is read of a file before the thread is offered to others.
  static constexpr std::uint64_t kYieldBytes = 8 * 1024 * 1024;
  // Files that ReadAhead keeps open at most, of all jobs, and what it has read of each extent.
  static constexpr int kMaxOpened = 512;
  static constexpr std::uint64_t kReadAheadBytes = 1024 * 1024;
  // To ask for bytes that are in memory already costs as much as to copy them: ReadAhead asks only
  // for so many files after each read of a small part that had to wait for the disk, which is many
  // of a batch when the cache is cold, and a few of a thousand when it has lost some of a warm
  // tree; and for so many at most after the last of them.
  static constexpr int kFilesAheadOfWait = 32;
  static constexpr int kMaxFilesAhead = 1024;

  explicit FileContentDigester(const AllowedRoots& roots) : roots_(roots) {}

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& executor,
                                             std::stop_token stop) override;
  void ReadAhead(const DigestRequest& request, OpenedFile& file) override;

  // Called between reading and the check of the version; for tests that change files meanwhile.
  void set_after_read_for_test(void (*hook)(const std::string& path)) { after_read_ = hook; }

 private:
  void AllowReadAhead();
  // One of the files that may be open between reads, if there is room.
  OpenedFile Open(const std::string& path);

  const AllowedRoots& roots_;
  std::atomic<int> opened_ = 0;
  std::atomic<int> files_to_read_ahead_ = 0;
  void (*after_read_)(const std::string& path) = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_CONTENT_DIGESTER_H_
