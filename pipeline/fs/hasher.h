#ifndef SLUICE_PIPELINE_FS_HASHER_H_
#define SLUICE_PIPELINE_FS_HASHER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "pipeline/fs/file.h"

namespace sluice {

// Digests bytes piece by piece. Reusable: Finish begins anew. Not thread-safe.
class Hasher {
 public:
  Hasher() = default;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  virtual ~Hasher() = default;

  virtual void Update(std::span<const std::uint8_t> bytes) = 0;
  virtual Digest Finish() = 0;
};

// SHA-256 by OpenSSL's EVP, unkeyed BLAKE2b-256 by libsodium, XXH3-128 by xxHash (canonical,
// big-endian bytes, as xxh128sum prints them).
std::unique_ptr<Hasher> MakeHasher(DigestAlgorithm algorithm);

// The digest of bytes that are all at hand. Allocates nothing, but for the first one of a thread:
// for a small file that is most of what its digest costs.
Digest DigestOf(DigestAlgorithm algorithm, std::span<const std::uint8_t> bytes);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_HASHER_H_
