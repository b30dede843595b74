#ifndef SLUICE_SERVER_CATALOG_SQLITE_EVENT_CHUNK_H_
#define SLUICE_SERVER_CATALOG_SQLITE_EVENT_CHUNK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/fs/compact_bytes.h"
#include "server/catalog/catalog.h"

namespace sluice {

// Many events as the bytes of one row
// ===================================
//
// A row a file costs SQLite more than all else that is done with the file. So the events of a
// transaction are stored a few hundred to a row: each as what differs from the one before it, the
// sequence not at all.
//
//   event:    head (a byte), time_ns (delta), then
//   payload:  kind, size, bytes
//   file:     bytes of the path shared with the file before, size of its rest, rest;
//             [type]  size  [allocated]  mtime (delta)  [ctime: delta to mtime]  [device]
//             inode (delta)  [links mode uid gid]  [digest]
//
// The head says which is there: see event_chunk.cc. The file before the first one is all zeros.
// The encoding belongs to the schema: another one is another version of it.
struct EventChunk {
  // A chunk ends with the event that reaches one of these.
  static constexpr std::size_t kMaxEvents = 512;
  static constexpr std::size_t kFullBytes = 64 * 1024;

  std::uint64_t first_sequence = 0;
  std::uint32_t count = 0;
  std::uint64_t kinds = 0;  // Bits of kFileBit and PayloadBit.
  std::string body;

  // A chunk without the bit has no such event; one that has it may have none either, as payload
  // kinds share bits.
  static constexpr std::uint64_t kFileBit = 1;
  static constexpr std::uint64_t PayloadBit(std::uint32_t kind) {
    return std::uint64_t{2} << (kind % 62);
  }
  static constexpr std::uint64_t kAllBits = INT64_MAX;
};

// Makes the next chunk of `events`: its count says how many it has taken. `chunk` is overwritten.
// REQUIRES: the sequences have no gap, and there is at least one event.
void EncodeChunk(std::span<const EventRecord> events, EventChunk& chunk);

// Decodes a chunk event by event. Any bytes may be given: those that are no chunk are an error or
// some events. Not thread-safe. Lifetime: the bytes outlive it.
class EventChunkReader final {
 public:
  EventChunkReader(std::uint64_t first_sequence, std::uint32_t count, std::string_view body)
      : next_sequence_(first_sequence), left_(count), body_(body) {}

  // Replaces `event` by the next one, in the memory that it has. False at the end, and when the
  // chunk turns out to be damaged.
  bool Next(EventRecord& event);

  bool damaged() const { return damaged_; }

 private:
  void TakeFile(std::uint8_t head, FileEntry& file);
  void TakePayload(EventPayload& payload);

  std::uint64_t next_sequence_;
  std::uint32_t left_;
  ByteTaker body_;
  bool damaged_ = false;
  std::int64_t time_ns_ = 0;
  FileEntry file_;  // The last one, without its digest.
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_EVENT_CHUNK_H_
