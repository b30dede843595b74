#ifndef SLUICE_PIPELINE_FS_CONTENT_DIGESTER_H_
#define SLUICE_PIPELINE_FS_CONTENT_DIGESTER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/roots.h"

namespace sluice {

// Which part of a file's content is digested.
enum class ContentPart : std::uint8_t { kPrefix, kSuffix, kWhole };

// Bytes of a prefix and of a suffix. A file of at most this size is its own prefix.
inline constexpr std::uint64_t kContentEndBytes = 16 * 1024;

struct DigestRequest {
  std::string path;  // Absolute bytes.
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  ContentPart part = ContentPart::kWhole;
  // The version that the digest is asked for. With kFail any other one is ItemError::kChanged (or
  // kVanished); with kFollow the file's version at the time of reading is taken.
  FileStat expected;
  enum class OnChange : std::uint8_t { kFail, kFollow } on_change = OnChange::kFail;
  // While the file is read, its bytes read so far are part of this sum: a large file can be
  // watched.
  std::atomic<std::uint64_t>* reading = nullptr;
};

struct ContentDigest {
  Digest digest;
  FileStat stat;                 // The version that was read.
  std::uint64_t bytes_read = 0;  // Including tries that were given up.
};

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

  // Whether `path` is a name of the version `expected`, without reading it: nullopt if so,
  // otherwise kChanged, kVanished, or what else is in the way.
  virtual std::optional<ItemError> CheckVersion(const std::string& path,
                                                const FileStat& expected) = 0;
};

// The real one: opens beneath the allowed roots with O_NOFOLLOW | O_NONBLOCK (and O_NOATIME where
// permitted), and reads nothing that is no regular file. The version is compared before and after
// reading; a file that changes while it is read is read again, and after kReadTries tries is
// ItemError::kUnstable: never a digest of a mixture.
// Lifetime: `roots` outlives it.
class FileContentDigester final : public ContentDigester {
 public:
  static constexpr int kReadTries = 3;
  static constexpr std::size_t kReadBufferBytes = 256 * 1024;
  // Some 20 ms: what is read of a file before the thread is offered to others.
  static constexpr std::uint64_t kYieldBytes = 8 * 1024 * 1024;

  explicit FileContentDigester(const AllowedRoots& roots) : roots_(roots) {}

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& executor,
                                             std::stop_token stop) override;
  std::optional<ItemError> CheckVersion(const std::string& path, const FileStat& expected) override;

  // Called between reading and the check of the version; for tests that change files meanwhile.
  void set_after_read_for_test(void (*hook)(const std::string& path)) { after_read_ = hook; }

 private:
  const AllowedRoots& roots_;
  void (*after_read_)(const std::string& path) = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_CONTENT_DIGESTER_H_
