#include "pipeline/stages/recorded_digests.h"

#include <algorithm>

#include "absl/status/status.h"
#include <sodium.h>

#include "pipeline/async/status_error.h"

namespace sluice {

namespace {

using HashKey = std::array<unsigned char, crypto_shorthash_siphashx24_KEYBYTES>;

MapKey KeyOf(const FileStat& stat, const HashKey& hash_key) {
  const std::array<std::uint64_t, 5> version = {stat.device, stat.inode, stat.size,
                                                static_cast<std::uint64_t>(stat.modify_time_ns),
                                                static_cast<std::uint64_t>(stat.change_time_ns)};
  MapKey key;
  static_assert(sizeof key == crypto_shorthash_siphashx24_BYTES);
  crypto_shorthash_siphashx24(key.data(), reinterpret_cast<const unsigned char*>(version.data()),
                              sizeof version, hash_key.data());
  return key;
}

}  // namespace

std::optional<Digest> RecordedDigests::Find(const FileStat& stat) const {
  return digests_.Find(KeyOf(stat, hash_key_));
}

RecordedDigests::Builder::Builder(DigestAlgorithm algorithm, std::int64_t trusted_before_ns,
                                  std::string spool_directory, std::stop_token stop)
    : algorithm_(algorithm),
      trusted_before_ns_(trusted_before_ns),
      digests_(std::move(spool_directory), std::move(stop)) {
  if (sodium_init() < 0) throw StatusError(absl::InternalError("libsodium is not available"));
  randombytes_buf(hash_key_.data(), hash_key_.size());
}

void RecordedDigests::Builder::Add(const FileEntry& file) {
  const FileStat& stat = file.stat;
  if (!file.digest || file.digest->algorithm != algorithm_) return;
  if (std::max(stat.modify_time_ns, stat.change_time_ns) >= trusted_before_ns_) return;
  digests_.Add(KeyOf(stat, hash_key_), *file.digest);
}

Task<RecordedDigests> RecordedDigests::Builder::Finish(Executor& executor) {
  KeyMap<Digest> digests = co_await digests_.Finish(executor);
  co_return RecordedDigests(hash_key_, std::move(digests));
}

}  // namespace sluice
