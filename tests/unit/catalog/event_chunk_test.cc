#include "server/catalog/sqlite/event_chunk.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/catalog/sqlite/content_chunk.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

// Draws values at the ends of their range as often as any others.
class OddValues final {
 public:
  explicit OddValues(std::uint32_t seed) : random_(seed) {}

  std::size_t Below(std::size_t end) { return random_() % end; }
  std::uint64_t Unsigned() {
    const std::uint64_t values[] = {
        0, 1, 4096, random_(), random_() % 1000, std::numeric_limits<std::uint64_t>::max(), last_};
    return last_ = values[Below(std::size(values))];
  }
  std::int64_t Signed() { return static_cast<std::int64_t>(Unsigned()) * (Below(2) == 0 ? 1 : -1); }
  std::uint32_t Unsigned32() { return static_cast<std::uint32_t>(Unsigned()); }
  std::string Bytes() {
    const std::size_t sizes[] = {0, 1, 7, 8, 9, Below(300), Below(200) == 0 ? 65536U : 20U};
    std::string bytes(sizes[Below(std::size(sizes))], '\0');
    for (char& byte : bytes) byte = static_cast<char>(Below(4) == 0 ? random_() : 'x');
    return bytes;
  }
  std::optional<Digest> MaybeDigest() {
    if (Below(2) == 0) return std::nullopt;
    Digest digest{.algorithm = static_cast<DigestAlgorithm>(Below(3))};
    for (std::size_t i = 0; i < DigestSize(digest.algorithm); ++i) {
      digest.bytes[i] = static_cast<std::uint8_t>(random_());
    }
    return digest;
  }
  EventRecord Event(std::uint64_t sequence) {
    EventRecord event{.sequence = sequence, .time_ns = Signed()};
    if (Below(4) == 0) {
      event.event = EventPayload{.kind = Unsigned32(), .payload = Bytes()};
      return event;
    }
    FileEntry file{.path = Bytes(), .digest = MaybeDigest()};
    file.stat = {.type = static_cast<FileType>(Below(7)),
                 .size = Unsigned(),
                 .allocated_bytes = Unsigned(),
                 .modify_time_ns = Signed(),
                 .change_time_ns = Signed(),
                 .device = Unsigned(),
                 .inode = Unsigned(),
                 .link_count = Unsigned32(),
                 .mode = Unsigned32(),
                 .uid = Unsigned32(),
                 .gid = Unsigned32()};
    event.event = std::move(file);
    return event;
  }
  KnownContent Content() {
    return {.size = Unsigned(),
            .device = Unsigned(),
            .inode = Unsigned(),
            .modify_time_ns = Signed(),
            .change_time_ns = Signed(),
            .key = {.digests = {MaybeDigest(), MaybeDigest(), MaybeDigest()}}};
  }

 private:
  std::mt19937_64 random_;
  std::uint64_t last_ = 0;
};

std::vector<EventRecord> OddEvents(std::uint32_t seed, std::size_t count) {
  OddValues odd(seed);
  std::vector<EventRecord> events;
  events.reserve(count);
  for (std::size_t i = 0; i < count; ++i) events.push_back(odd.Event(1000 + i));
  return events;
}

struct Decoded {
  std::vector<EventRecord> events;
  bool damaged = false;
};

Decoded Decode(const EventChunk& chunk) {
  Decoded decoded;
  EventChunkReader reader(chunk.first_sequence, chunk.count, chunk.body);
  for (EventRecord event; reader.Next(event);) decoded.events.push_back(event);
  decoded.damaged = reader.damaged();
  return decoded;
}

TEST(EventChunk, EveryEventComesBackWhateverItsValues) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<EventRecord> events = OddEvents(seed, 600);
    EventChunk chunk;
    std::vector<EventRecord> decoded;
    for (std::span<const EventRecord> rest = events; !rest.empty();
         rest = rest.subspan(chunk.count)) {
      EncodeChunk(rest, chunk);
      Decoded some = Decode(chunk);
      ASSERT_FALSE(some.damaged);
      std::ranges::move(some.events, std::back_inserter(decoded));
    }
    ASSERT_EQ(decoded, events);
  }
}

TEST(EventChunk, IsFullAtSoManyEventsOrBytes) {
  const std::vector<EventRecord> small(1000, FileEvent("/x", 1, 1));
  EventChunk chunk;
  EncodeChunk(small, chunk);
  EXPECT_EQ(chunk.count, EventChunk::kMaxEvents);
  const std::vector<EventRecord> big(100, PayloadEvent(1, std::string(30'000, 'x')));
  EncodeChunk(big, chunk);
  EXPECT_EQ(chunk.count, 3U);
}

TEST(EventChunk, SaysOfWhichKindsItsEventsAre) {
  EventChunk chunk;
  EncodeChunk(std::vector{PayloadEvent(7, ""), PayloadEvent(62, "")}, chunk);
  EXPECT_EQ(chunk.kinds, EventChunk::PayloadBit(7) | EventChunk::PayloadBit(0));
  EncodeChunk(std::vector{FileEvent("/x", 1, 1)}, chunk);
  EXPECT_EQ(chunk.kinds, EventChunk::kFileBit);
}

TEST(EventChunk, AFileLikeTheOneBeforeItTakesFewBytes) {
  std::vector<EventRecord> events;
  events.reserve(100);
  for (std::uint64_t i = 0; i < 100; ++i) {
    events.push_back(FileEvent("/some/directory/file" + std::to_string(i), 4096 + i, 100 + i));
  }
  EventChunk chunk;
  EncodeChunk(events, chunk);
  EXPECT_LT(chunk.body.size(), 20 * events.size());
}

// Any sanitizer would object to what a decoder must not do.
TEST(EventChunk, CutAnywhereItIsDamaged) {
  EventChunk chunk;
  EncodeChunk(OddEvents(1, 40), chunk);
  const std::string whole = chunk.body;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    chunk.body = whole.substr(0, size);
    ASSERT_TRUE(Decode(chunk).damaged) << size;
  }
}

TEST(EventChunk, WithAnyByteChangedItIsDamagedOrSomeEvents) {
  EventChunk chunk;
  EncodeChunk(OddEvents(2, 40), chunk);
  for (char& byte : chunk.body) {
    const char original = byte;
    for (const int change : {0x01, 0x80, 0xff}) {
      byte = static_cast<char>(original ^ change);
      const Decoded decoded = Decode(chunk);
      ASSERT_LE(decoded.events.size(), chunk.count);
      ASSERT_TRUE(decoded.damaged || decoded.events.size() == chunk.count);
    }
    byte = original;
  }
}

TEST(EventChunk, OfArbitraryBytesIsDamagedOrSomeEvents) {
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    EventChunk chunk{.count = 20};
    chunk.body.resize(random() % 200);
    for (char& byte : chunk.body) byte = static_cast<char>(random() % 4 == 0 ? random() : 0x01);
    ASSERT_LE(Decode(chunk).events.size(), 20U);
  }
}

std::vector<KnownContent> DecodeContents(const std::string& body, bool& damaged) {
  std::vector<KnownContent> contents;
  ContentChunkReader reader(body);
  for (KnownContent content; reader.Next(content);) contents.push_back(content);
  damaged = reader.damaged();
  return contents;
}

TEST(ContentChunk, EveryContentComesBackWhateverItsValues) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    OddValues odd(seed);
    std::vector<KnownContent> contents;
    contents.reserve(100);
    for (int i = 0; i < 100; ++i) contents.push_back(odd.Content());
    std::string body;
    AppendContents(contents, body);
    bool damaged = true;
    ASSERT_EQ(DecodeContents(body, damaged), contents);
    ASSERT_FALSE(damaged);
  }
}

TEST(ContentChunk, WithAnyByteChangedItIsDamagedOrSomeContents) {
  OddValues odd(4);
  std::vector<KnownContent> contents;
  contents.reserve(40);
  for (int i = 0; i < 40; ++i) contents.push_back(odd.Content());
  std::string body;
  AppendContents(contents, body);
  for (std::size_t i = 0; i < body.size(); ++i) {
    bool damaged = false;
    DecodeContents(body.substr(0, i), damaged);
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = body;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      ASSERT_LE(DecodeContents(changed, damaged).size(), body.size());
    }
  }
}

}  // namespace
}  // namespace sluice
