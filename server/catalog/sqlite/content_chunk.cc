#include "server/catalog/sqlite/content_chunk.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>

namespace sluice {
namespace {

// Bits of a content's head; those below say which of the digests there are.
constexpr std::uint8_t kOtherDevice = 8;
constexpr std::uint8_t kUnused = 0xf0;

constexpr std::size_t kParts = std::tuple_size_v<decltype(ContentKey::digests)>;
constexpr std::size_t kMaxBytes = 1 + 5 * kMaxVarintBytes + kParts * kMaxDigestBytes;
static_assert(kParts == 3, "a bit of the head each");

void AppendContent(const KnownContent& content, const KnownContent& before, std::string& body) {
  std::array<char, kMaxBytes> bytes;
  std::uint8_t head = content.device != before.device ? kOtherDevice : 0;
  char* end = PutVarint(content.size, &bytes[1]);
  if (head != 0) end = PutVarint(content.device, end);
  end = PutDelta(content.inode, before.inode, end);
  end = PutDelta(content.modify_time_ns, before.modify_time_ns, end);
  end = PutDelta(content.change_time_ns, content.modify_time_ns, end);
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::optional<Digest>& digest = content.key.digests[part];
    if (!digest) continue;
    head |= static_cast<std::uint8_t>(1U << part);
    end = PutDigest(*digest, end);
  }
  bytes[0] = static_cast<char>(head);
  body.append(bytes.data(), end);
}

}  // namespace

void AppendContents(std::span<const KnownContent> contents, std::string& body) {
  const KnownContent nothing;
  const KnownContent* before = &nothing;
  for (const KnownContent& content : contents) {
    AppendContent(content, *before, body);
    before = &content;
  }
}

bool ContentChunkReader::Next(KnownContent& content) {
  if (body_.empty()) return false;
  const std::uint8_t head = body_.Byte();
  if ((head & kUnused) != 0) body_.Fail();
  last_.size = body_.Varint();
  if ((head & kOtherDevice) != 0) last_.device = body_.Varint();
  last_.inode = body_.Delta(last_.inode);
  last_.modify_time_ns = body_.Delta(last_.modify_time_ns);
  last_.change_time_ns = body_.Delta(last_.modify_time_ns);
  for (std::size_t part = 0; part < kParts; ++part) {
    std::optional<Digest>& digest = last_.key.digests[part];
    digest.reset();
    if ((head & (1U << part)) != 0) digest = body_.TakeDigest();
  }
  if (body_.failed()) return false;
  content = last_;
  return true;
}

}  // namespace sluice
