#ifndef SLUICE_PIPELINE_FS_LINK_AWARE_DIGESTER_H_
#define SLUICE_PIPELINE_FS_LINK_AWARE_DIGESTER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"

#include "pipeline/fs/content_digester.h"

namespace sluice {

// Reads a file that has several names only once
// =============================================
//
// Remembers the digests of the last kMaxRemembered files with more than one link, and answers from
// there, without reading anything, for another name of the same inode in the same version. A name
// that is met while its inode is being read waits for that.
//
//   LinkAwareDigester digester(file_digester);
//
// Failures are not remembered: each name meets its own. Thread-safe. Lifetime: `inner` outlives it.
// Cancellation: also of a wait, since the one that reads is stopped by the same token.
// REQUIRES: calls that run beside each other are stopped together.
class LinkAwareDigester final : public ContentDigester {
 public:
  static constexpr std::size_t kMaxRemembered = 4096;

  explicit LinkAwareDigester(ContentDigester& inner) : inner_(inner) {}

  ItemResult<ContentDigest> DigestFile(const DigestRequest& request,
                                       const std::stop_token& stop) override;
  std::optional<ItemError> CheckVersion(const std::string& path,
                                        const FileStat& expected) override {
    return inner_.CheckVersion(path, expected);
  }

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, DigestAlgorithm, ContentPart>;
  class Reading;

  // Waits while another thread reads the file; nullopt when the caller has to read it.
  std::optional<ContentDigest> FindOrClaim(const Key& key, const FileStat& expected);
  void Settle(const Key& key, const std::optional<ContentDigest>& digest);

  ContentDigester& inner_;
  std::mutex mutex_;
  std::condition_variable settled_;
  // Without a value: being read. Those are as many as there are callers.
  std::map<Key, std::optional<ContentDigest>> known_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> oldest_first_ ABSL_GUARDED_BY(mutex_);  // Those with a value.
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_LINK_AWARE_DIGESTER_H_
