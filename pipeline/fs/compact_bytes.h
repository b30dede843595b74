#ifndef SLUICE_PIPELINE_FS_COMPACT_BYTES_H_
#define SLUICE_PIPELINE_FS_COMPACT_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pipeline/fs/file.h"

// What compact encodings are made of: integers of seven bits a byte, lowest first, whose top
// bit says that more follow; differences to the value before, which are small where values are
// alike; digests. Writing goes through a pointer into a buffer that is large enough, and returns
// where it ended.
namespace sluice {

inline constexpr std::size_t kMaxVarintBytes = 10;
inline constexpr std::size_t kMaxDigestBytes = 1 + sizeof(Digest::bytes);

inline char* PutVarint(std::uint64_t value, char* to) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<char>(value | 0x80);
  *to++ = static_cast<char>(value);
  return to;
}

// The difference between any two values of 64 bits, modulo 2^64, small ones of either sign first.
inline char* PutDelta(std::uint64_t value, std::uint64_t before, char* to) {
  const std::uint64_t delta = value - before;
  return PutVarint((delta << 1) ^ (0 - (delta >> 63)), to);
}
inline char* PutDelta(std::int64_t value, std::int64_t before, char* to) {
  return PutDelta(static_cast<std::uint64_t>(value), static_cast<std::uint64_t>(before), to);
}

// A byte for the algorithm, and its bytes.
inline char* PutDigest(const Digest& digest, char* to) {
  *to++ = static_cast<char>(digest.algorithm);
  return std::copy_n(digest.bytes.begin(), DigestSize(digest.algorithm), to);
}

// Reads what was put, of bytes that may be anything. After the first failure (bytes that end too
// soon, a value that nothing would have put) all that is taken is zero, so that a record can be
// taken as a whole and looked at once.
class ByteTaker final {
 public:
  explicit ByteTaker(std::string_view bytes)
      : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool failed() const { return failed_; }
  bool empty() const { return next_ == end_; }
  void Fail() {
    failed_ = true;
    next_ = end_;
  }

  std::uint8_t Byte() {
    if (next_ != end_) return static_cast<std::uint8_t>(*next_++);
    Fail();
    return 0;
  }
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t byte = Byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return failed_ ? 0 : value;
    }
    Fail();
    return 0;
  }
  std::uint32_t Varint32() {
    const std::uint64_t value = Varint();
    if (value > UINT32_MAX) Fail();
    return failed_ ? 0 : static_cast<std::uint32_t>(value);
  }
  std::uint64_t Delta(std::uint64_t before) {
    const std::uint64_t value = Varint();
    return before + ((value >> 1) ^ (0 - (value & 1)));
  }
  std::int64_t Delta(std::int64_t before) {
    return static_cast<std::int64_t>(Delta(static_cast<std::uint64_t>(before)));
  }
  std::string_view Bytes(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - next_)) {
      Fail();
      return {};
    }
    const std::string_view bytes(next_, static_cast<std::size_t>(size));
    next_ += bytes.size();
    return bytes;
  }
  // What is left.
  std::string_view Rest() { return Bytes(static_cast<std::uint64_t>(end_ - next_)); }
  Digest TakeDigest() {
    Digest digest;
    const std::uint8_t algorithm = Byte();
    if (algorithm > static_cast<std::uint8_t>(DigestAlgorithm::kXxh3_128)) {
      Fail();
      return digest;
    }
    digest.algorithm = static_cast<DigestAlgorithm>(algorithm);
    const std::string_view bytes = Bytes(DigestSize(digest.algorithm));
    std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
    return digest;
  }

 private:
  const char* next_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_COMPACT_BYTES_H_
