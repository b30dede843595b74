#include "pipeline/fs/hasher.h"

#include <algorithm>

#include "absl/status/status.h"
#include <openssl/evp.h>
#include <sodium.h>
#include <xxhash.h>
#ifdef SLUICE_XXHASH_DISPATCH
// Makes XXH3 what the processor does best; the plain library is built for the oldest one, and takes
// 4 to 15 times as long.
#include <xxh_x86dispatch.h>
#endif

#include "pipeline/async/status_error.h"

namespace sluice {

namespace {

// These libraries fail only where memory or the algorithm itself is missing.
void Require(bool ok, const char* what) {
  if (!ok) throw StatusError(absl::InternalError(what));
}

class Sha256Hasher final : public Hasher {
 public:
  Sha256Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    // Fetched once: to look it up costs more than to digest a small file.
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    Require(context_ && algorithm, "SHA-256 is not available");
    Require(EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) == 1, "SHA-256 failed");
  }

  void Update(std::span<const std::uint8_t> bytes) override {
    Require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "SHA-256 failed");
  }

  Digest Finish() override {
    Digest digest{.algorithm = DigestAlgorithm::kSha256};
    Require(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr) == 1 &&
                EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1,
            "SHA-256 failed");
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// Idempotent and thread-safe; chooses the fastest implementation for the processor.
void RequireSodium() {
  static const bool ready = sodium_init() >= 0;
  Require(ready, "libsodium is not available");
}

class Blake2bHasher final : public Hasher {
 public:
  Blake2bHasher() {
    RequireSodium();
    Begin();
  }

  void Update(std::span<const std::uint8_t> bytes) override {
    crypto_generichash_blake2b_update(&state_, bytes.data(), bytes.size());
  }

  Digest Finish() override {
    Digest digest{.algorithm = DigestAlgorithm::kBlake2b256};
    crypto_generichash_blake2b_final(&state_, digest.bytes.data(), digest.bytes.size());
    Begin();
    return digest;
  }

 private:
  void Begin() { crypto_generichash_blake2b_init(&state_, nullptr, 0, Digest{}.bytes.size()); }

  crypto_generichash_blake2b_state state_;
};

Digest Xxh3DigestOf(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest digest{.algorithm = DigestAlgorithm::kXxh3_128};
  std::ranges::copy(canonical.digest, digest.bytes.begin());
  return digest;
}

class Xxh3Hasher final : public Hasher {
 public:
  Xxh3Hasher() : state_(XXH3_createState(), &XXH3_freeState) {
    Require(state_ != nullptr, "no memory for XXH3");
    XXH3_128bits_reset(state_.get());
  }

  void Update(std::span<const std::uint8_t> bytes) override {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }

  Digest Finish() override {
    const Digest digest = Xxh3DigestOf(XXH3_128bits_digest(state_.get()));
    XXH3_128bits_reset(state_.get());
    return digest;
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

// The dispatcher looks at the processor when it is first used, and is not thread-safe then.
void PrepareXxh3() {
  static const bool ready = [] {
    Xxh3Hasher hasher;
    hasher.Update({});
    return XXH3_128bits("", 0).low64 != 0;
  }();
  Require(ready, "XXH3 is not available");
}

}  // namespace

Digest DigestOf(DigestAlgorithm algorithm, std::span<const std::uint8_t> bytes) {
  Digest digest{.algorithm = algorithm};
  switch (algorithm) {
    case DigestAlgorithm::kXxh3_128:
      PrepareXxh3();
      return Xxh3DigestOf(XXH3_128bits(bytes.data(), bytes.size()));
    case DigestAlgorithm::kBlake2b256:
      RequireSodium();
      crypto_generichash(digest.bytes.data(), digest.bytes.size(), bytes.data(), bytes.size(),
                         nullptr, 0);
      return digest;
    case DigestAlgorithm::kSha256:
      break;
  }
  thread_local Sha256Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

std::unique_ptr<Hasher> MakeHasher(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kBlake2b256:
      return std::make_unique<Blake2bHasher>();
    case DigestAlgorithm::kXxh3_128:
      PrepareXxh3();
      return std::make_unique<Xxh3Hasher>();
    case DigestAlgorithm::kSha256:
      break;
  }
  return std::make_unique<Sha256Hasher>();
}

}  // namespace sluice
