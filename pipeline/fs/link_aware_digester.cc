#include "pipeline/fs/link_aware_digester.h"

#include <utility>
#include <variant>

namespace sluice {

// The claim to read a file, which is given back whatever ends the reading.
class LinkAwareDigester::Reading final {
 public:
  Reading(LinkAwareDigester& digester, Key key) : digester_(digester), key_(std::move(key)) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { digester_.Settle(key_, digest_); }

  void set_digest(const ContentDigest& digest) { digest_ = digest; }

 private:
  LinkAwareDigester& digester_;
  const Key key_;
  std::optional<ContentDigest> digest_;
};

ItemResult<ContentDigest> LinkAwareDigester::DigestFile(const DigestRequest& request,
                                                        const std::stop_token& stop) {
  const FileStat& expected = request.expected;
  if (expected.link_count < 2) return inner_.DigestFile(request, stop);

  const Key key(expected.device, expected.inode, request.algorithm, request.part);
  if (std::optional<ContentDigest> known = FindOrClaim(key, expected)) return *known;
  Reading reading(*this, key);
  ItemResult<ContentDigest> result = inner_.DigestFile(request, stop);
  if (const auto* digest = std::get_if<ContentDigest>(&result)) reading.set_digest(*digest);
  return result;
}

std::optional<ContentDigest> LinkAwareDigester::FindOrClaim(const Key& key,
                                                            const FileStat& expected) {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto [found, claimed] = known_.try_emplace(key);
    if (claimed) return std::nullopt;
    if (!found->second) {
      settled_.wait(lock);
      continue;
    }
    if (SameVersion(found->second->stat, expected)) {
      ContentDigest known = *found->second;
      known.bytes_read = 0;
      return known;
    }
    std::erase(oldest_first_, key);
    found->second.reset();
    return std::nullopt;
  }
}

void LinkAwareDigester::Settle(const Key& key, const std::optional<ContentDigest>& digest) {
  const std::lock_guard lock(mutex_);
  // A digest of another inode, which has taken the name, says nothing about this one.
  const bool usable =
      digest && digest->stat.device == std::get<0>(key) && digest->stat.inode == std::get<1>(key);
  if (usable) {
    known_[key] = digest;
    oldest_first_.push_back(key);
  } else {
    known_.erase(key);
  }
  if (oldest_first_.size() > kMaxRemembered) {
    known_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
  settled_.notify_all();
}

}  // namespace sluice
