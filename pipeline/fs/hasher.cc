#include "pipeline/fs/hasher.h"

#include <algorithm>

#include "absl/status/status.h"
#include <openssl/evp.h>
#include <sodium.h>
#include <xxhash.h>

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

class Blake2bHasher final : public Hasher {
 public:
  Blake2bHasher() {
    // Idempotent and thread-safe; chooses the fastest implementation for the processor.
    static const bool ready = sodium_init() >= 0;
    Require(ready, "libsodium is not available");
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
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    XXH3_128bits_reset(state_.get());
    Digest digest{.algorithm = DigestAlgorithm::kXxh3_128};
    std::ranges::copy(canonical.digest, digest.bytes.begin());
    return digest;
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

}  // namespace

std::unique_ptr<Hasher> MakeHasher(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kBlake2b256:
      return std::make_unique<Blake2bHasher>();
    case DigestAlgorithm::kXxh3_128:
      return std::make_unique<Xxh3Hasher>();
    case DigestAlgorithm::kSha256:
      break;
  }
  return std::make_unique<Sha256Hasher>();
}

}  // namespace sluice
