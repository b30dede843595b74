#include "server/catalog/sqlite/event_chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <variant>

namespace sluice {
namespace {

// Bits of an event's head. A payload has none of them.
constexpr std::uint8_t kIsFile = 1;
constexpr std::uint8_t kHasDigest = 2;
constexpr std::uint8_t kSameDevice = 4;  // As the file before; so is kSameOwner.
constexpr std::uint8_t kSameOwner = 8;   // Links, mode, uid, gid.
constexpr std::uint8_t kCtimeIsMtime = 16;
constexpr std::uint8_t kWholeBlocks = 32;  // Allocated is the size in whole blocks of 4 KiB.
constexpr std::uint8_t kOtherType = 64;    // Not a regular file.
constexpr std::uint8_t kUnused = 128;

constexpr std::size_t kMaxFixedBytes = 1 + 14 * kMaxVarintBytes + kMaxDigestBytes;

const FileEntry kNoFile;

std::uint64_t InWholeBlocks(std::uint64_t size) {
  constexpr std::uint64_t kBlock = 4096;
  return size / kBlock * kBlock + (size % kBlock == 0 ? 0 : kBlock);
}

std::size_t SharedPrefix(std::string_view a, std::string_view b) {
  const std::size_t end = std::min(a.size(), b.size());
  std::size_t i = 0;
  for (; i + 8 <= end; i += 8) {
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::memcpy(&x, a.data() + i, 8);
    std::memcpy(&y, b.data() + i, 8);
    if (x == y) continue;
    if constexpr (std::endian::native == std::endian::little) {
      return i + static_cast<std::size_t>(std::countr_zero(x ^ y)) / 8;
    }
    break;
  }
  while (i < end && a[i] == b[i]) ++i;
  return i;
}

std::uint8_t HeadOf(const FileEntry& file, const FileStat& before) {
  const FileStat& stat = file.stat;
  const bool same_owner = stat.link_count == before.link_count && stat.mode == before.mode &&
                          stat.uid == before.uid && stat.gid == before.gid;
  std::uint8_t head = kIsFile;
  if (file.digest) head |= kHasDigest;
  if (stat.device == before.device) head |= kSameDevice;
  if (same_owner) head |= kSameOwner;
  if (stat.change_time_ns == stat.modify_time_ns) head |= kCtimeIsMtime;
  if (stat.allocated_bytes == InWholeBlocks(stat.size)) head |= kWholeBlocks;
  if (stat.type != FileType::kRegular) head |= kOtherType;
  return head;
}

char* PutStat(std::uint8_t head, const FileStat& stat, const FileStat& before, char* to) {
  if ((head & kOtherType) != 0) *to++ = static_cast<char>(stat.type);
  to = PutVarint(stat.size, to);
  if ((head & kWholeBlocks) == 0) to = PutVarint(stat.allocated_bytes, to);
  to = PutDelta(stat.modify_time_ns, before.modify_time_ns, to);
  if ((head & kCtimeIsMtime) == 0) to = PutDelta(stat.change_time_ns, stat.modify_time_ns, to);
  if ((head & kSameDevice) == 0) to = PutVarint(stat.device, to);
  to = PutDelta(stat.inode, before.inode, to);
  if ((head & kSameOwner) != 0) return to;
  to = PutVarint(stat.link_count, to);
  to = PutVarint(stat.mode, to);
  to = PutVarint(stat.uid, to);
  return PutVarint(stat.gid, to);
}

void AppendFile(std::int64_t time_ns, std::int64_t time_before_ns, const FileEntry& file,
                const FileEntry& before, std::string& body) {
  std::array<char, kMaxFixedBytes> bytes;
  const std::uint8_t head = HeadOf(file, before.stat);
  const std::size_t shared = SharedPrefix(file.path, before.path);
  bytes[0] = static_cast<char>(head);
  char* end = PutDelta(time_ns, time_before_ns, &bytes[1]);
  end = PutVarint(shared, end);
  end = PutVarint(file.path.size() - shared, end);
  body.append(bytes.data(), end);
  body.append(file.path, shared);
  end = PutStat(head, file.stat, before.stat, bytes.data());
  if (file.digest) end = PutDigest(*file.digest, end);
  body.append(bytes.data(), end);
}

void AppendPayload(std::int64_t time_ns, std::int64_t time_before_ns, const EventPayload& payload,
                   std::string& body) {
  std::array<char, kMaxFixedBytes> bytes;
  bytes[0] = 0;
  char* end = PutDelta(time_ns, time_before_ns, &bytes[1]);
  end = PutVarint(payload.kind, end);
  end = PutVarint(payload.payload.size(), end);
  body.append(bytes.data(), end);
  body.append(payload.payload);
}

}  // namespace

void EncodeChunk(std::span<const EventRecord> events, EventChunk& chunk) {
  assert(!events.empty());
  chunk.first_sequence = events.front().sequence;
  chunk.count = 0;
  chunk.kinds = 0;
  chunk.body.clear();
  std::int64_t time_ns = 0;
  const FileEntry* before = &kNoFile;
  for (const EventRecord& event : events.first(std::min(events.size(), EventChunk::kMaxEvents))) {
    if (const auto* file = std::get_if<FileEntry>(&event.event)) {
      AppendFile(event.time_ns, time_ns, *file, *before, chunk.body);
      before = file;
      chunk.kinds |= EventChunk::kFileBit;
    } else {
      const auto& payload = std::get<EventPayload>(event.event);
      AppendPayload(event.time_ns, time_ns, payload, chunk.body);
      chunk.kinds |= EventChunk::PayloadBit(payload.kind);
    }
    time_ns = event.time_ns;
    ++chunk.count;
    if (chunk.body.size() >= EventChunk::kFullBytes) break;
  }
}

bool EventChunkReader::Next(EventRecord& event) {
  if (left_ == 0) return false;
  const std::uint8_t head = body_.Byte();
  time_ns_ = body_.Delta(time_ns_);
  if (head == 0) {
    auto* payload = std::get_if<EventPayload>(&event.event);
    TakePayload(payload != nullptr ? *payload : event.event.emplace<EventPayload>());
  } else {
    auto* file = std::get_if<FileEntry>(&event.event);
    TakeFile(head, file != nullptr ? *file : event.event.emplace<FileEntry>());
  }
  --left_;
  damaged_ = body_.failed() || (left_ == 0 && !body_.empty());
  if (damaged_) left_ = 0;
  event.sequence = next_sequence_++;
  event.time_ns = time_ns_;
  return !damaged_;
}

void EventChunkReader::TakePayload(EventPayload& payload) {
  payload.kind = body_.Varint32();
  payload.payload = body_.Bytes(body_.Varint());
}

void EventChunkReader::TakeFile(std::uint8_t head, FileEntry& file) {
  if ((head & kIsFile) == 0 || (head & kUnused) != 0) return body_.Fail();
  const std::uint64_t shared = body_.Varint();
  if (shared > file_.path.size()) return body_.Fail();
  file_.path.resize(shared);
  file_.path += body_.Bytes(body_.Varint());

  FileStat& stat = file_.stat;
  const std::uint8_t type = (head & kOtherType) != 0 ? body_.Byte() : 0;
  if (type > static_cast<std::uint8_t>(FileType::kBlockDevice)) return body_.Fail();
  stat.type = static_cast<FileType>(type);
  stat.size = body_.Varint();
  stat.allocated_bytes = (head & kWholeBlocks) != 0 ? InWholeBlocks(stat.size) : body_.Varint();
  stat.modify_time_ns = body_.Delta(stat.modify_time_ns);
  stat.change_time_ns =
      (head & kCtimeIsMtime) != 0 ? stat.modify_time_ns : body_.Delta(stat.modify_time_ns);
  if ((head & kSameDevice) == 0) stat.device = body_.Varint();
  stat.inode = body_.Delta(stat.inode);
  if ((head & kSameOwner) == 0) {
    stat.link_count = body_.Varint32();
    stat.mode = body_.Varint32();
    stat.uid = body_.Varint32();
    stat.gid = body_.Varint32();
  }
  file.path = file_.path;
  file.stat = stat;
  file.digest.reset();
  if ((head & kHasDigest) != 0) file.digest = body_.TakeDigest();
}

}  // namespace sluice
