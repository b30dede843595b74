#include "pipeline/fs/link_aware_digester.h"

#include <utility>
#include <variant>

#include "pipeline/async/status_error.h"

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

Task<ItemResult<ContentDigest>> LinkAwareDigester::DigestFile(DigestRequest request,
                                                              Executor& executor,
                                                              std::stop_token stop) {
  const bool has_one_name = request.expected.link_count < 2;
  if (has_one_name) return inner_.DigestFile(std::move(request), executor, std::move(stop));
  return DigestOnce(std::move(request), executor, std::move(stop));
}

Task<ItemResult<ContentDigest>> LinkAwareDigester::DigestOnce(DigestRequest request,
                                                              Executor& executor,
                                                              std::stop_token stop) {
  const FileStat& expected = request.expected;
  const Key key(expected.device, expected.inode, request.algorithm, request.part);
  while (true) {
    const std::uint64_t seen = settled_.count();
    const auto found = FindOrClaim(key, expected);
    if (const auto* known = std::get_if<ContentDigest>(&found)) co_return *known;
    if (std::get<Claim>(found) == Claim::kRead) break;
    const Wake wake = co_await settled_.Wait(executor, seen, {.stop = stop});
    if (wake == Wake::kStopped) throw Cancelled();
  }
  Reading reading(*this, key);
  ItemResult<ContentDigest> result =
      co_await inner_.DigestFile(std::move(request), executor, std::move(stop));
  if (const auto* digest = std::get_if<ContentDigest>(&result)) reading.set_digest(*digest);
  co_return result;
}

std::variant<ContentDigest, LinkAwareDigester::Claim> LinkAwareDigester::FindOrClaim(
    const Key& key, const FileStat& expected) {
  const std::lock_guard lock(mutex_);
  const auto [found, claimed] = known_.try_emplace(key);
  if (claimed) return Claim::kRead;
  if (!found->second) return Claim::kWait;
  if (SameVersion(found->second->stat, expected)) {
    ContentDigest known = *found->second;
    known.bytes_read = 0;
    known.kept = false;
    return known;
  }
  std::erase(oldest_first_, key);
  found->second.reset();
  return Claim::kRead;
}

void LinkAwareDigester::Settle(const Key& key, const std::optional<ContentDigest>& digest) {
  // A digest of another inode, which has taken the name, says nothing about this one.
  const bool usable =
      digest && digest->stat.device == std::get<0>(key) && digest->stat.inode == std::get<1>(key);
  {
    const std::lock_guard lock(mutex_);
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
  }
  settled_.Notify();
}

}  // namespace sluice
