#ifndef SLUICE_PIPELINE_FS_LINK_AWARE_DIGESTER_H_
#define SLUICE_PIPELINE_FS_LINK_AWARE_DIGESTER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <variant>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/content_digester.h"

namespace sluice {

// Reads a file that has several names only once
// =============================================
//
// Remembers the digests of the last kMaxRemembered files with more than one link, and answers from
// there, without reading anything, for another name of the same inode in the same version. A name
// that is met while its inode is being read waits for that, and leaves its thread to others: the
// one that reads may need it.
//
//   LinkAwareDigester digester(file_digester);
//
// Failures are not remembered: each name meets its own, and of those that wait for one that is
// stopped or fails, the next one reads. Thread-safe. Lifetime: `inner` outlives it; it outlives the
// calls. Cancellation: also of a wait.
class LinkAwareDigester final : public ContentDigester {
 public:
  static constexpr std::size_t kMaxRemembered = 4096;

  explicit LinkAwareDigester(ContentDigester& inner) : inner_(inner) {}

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& executor,
                                             std::stop_token stop) override;
  // Files with one name only: others may not have to be read.
  void ReadAhead(const DigestRequest& request, OpenedFile& file) override {
    if (request.expected.link_count < 2) inner_.ReadAhead(request, file);
  }

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, DigestAlgorithm, ContentPart>;
  class Reading;

  enum class Claim : std::uint8_t { kRead, kWait };

  Task<ItemResult<ContentDigest>> DigestOnce(DigestRequest request, Executor& executor,
                                             std::stop_token stop);
  // What is known; otherwise whether the caller has to read the file, or somebody does already.
  std::variant<ContentDigest, Claim> FindOrClaim(const Key& key, const FileStat& expected);
  void Settle(const Key& key, const std::optional<ContentDigest>& digest);

  ContentDigester& inner_;
  std::mutex mutex_;
  Signal settled_;
  // Without a value: being read. Those are as many as there are callers.
  std::map<Key, std::optional<ContentDigest>> known_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> oldest_first_ ABSL_GUARDED_BY(mutex_);  // Those with a value.
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_LINK_AWARE_DIGESTER_H_
