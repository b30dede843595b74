#ifndef SLUICE_TESTS_UNIT_FS_FAKE_DIGESTER_H_
#define SLUICE_TESTS_UNIT_FS_FAKE_DIGESTER_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/status_error.h"
#include "pipeline/fs/content_digester.h"

namespace sluice {

// Digests without files: the digest tells the inode apart, and the version is the expected one.
// Thread-safe.
class FakeDigester final : public ContentDigester {
 public:
  using Answer = std::function<ItemResult<ContentDigest>(const DigestRequest&)>;

  FakeDigester() = default;
  explicit FakeDigester(Answer answer) : answer_(std::move(answer)) {}

  static ContentDigest DigestOf(const FileStat& stat) {
    ContentDigest content{.stat = stat, .bytes_read = stat.size};
    content.digest.bytes[0] = static_cast<std::uint8_t>(stat.inode);
    content.digest.bytes[1] = static_cast<std::uint8_t>(stat.size);
    return content;
  }

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& /*executor*/,
                                             std::stop_token stop) override {
    ThrowIfStopRequested(stop);
    Remember(request.path);
    if (answer_) co_return answer_(request);
    co_return DigestOf(request.expected);
  }

  // The paths that were read.
  std::vector<std::string> read() const {
    const std::lock_guard lock(mutex_);
    return read_;
  }

 private:
  void Remember(const std::string& path) {
    const std::lock_guard lock(mutex_);
    read_.push_back(path);
  }

  const Answer answer_;
  mutable std::mutex mutex_;
  std::vector<std::string> read_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_FS_FAKE_DIGESTER_H_
