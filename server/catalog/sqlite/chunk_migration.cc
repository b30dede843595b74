#include "server/catalog/sqlite/chunk_migration.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/fs/file.h"
#include "server/catalog/catalog.h"
#include "server/catalog/sqlite/event_chunk.h"
#include "server/catalog/sqlite/event_log.h"
#include "server/catalog/sqlite/rows.h"

namespace sluice {
namespace {

// Both halves come by key, so that SQLite merges them as it goes: nothing is sorted.
constexpr char kSelectEvents[] =
    "SELECT key, time_ns, kind, payload, type, size, allocated, mtime, ctime, device, inode, links,"
    "       mode, uid, gid, digest, path"
    " FROM (SELECT key, time_ns, NULL AS kind, NULL AS payload, type, size, allocated, mtime, "
    "ctime,"
    "              device, inode, links, mode, uid, gid, digest, path FROM file"
    "       UNION ALL"
    "       SELECT key, time_ns, kind, payload, NULL, NULL, NULL, NULL, NULL,"
    "              NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM event)"
    " WHERE ifnull((SELECT last_key FROM garbage WHERE first_key <= key"
    "               ORDER BY first_key DESC LIMIT 1), -1) < key"
    " ORDER BY key";

Digest ReadDigest(std::string_view bytes) {
  Digest digest;
  const auto algorithm = static_cast<std::uint8_t>(bytes.empty() ? 0xff : bytes.front());
  if (algorithm > static_cast<std::uint8_t>(DigestAlgorithm::kXxh3_128)) {
    ThrowDamaged("digest algorithm");
  }
  digest.algorithm = static_cast<DigestAlgorithm>(algorithm);
  bytes.remove_prefix(1);
  if (bytes.size() != DigestSize(digest.algorithm)) ThrowDamaged("digest size");
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

FileEntry ReadFile(const Query& row) {
  FileEntry file;
  const std::int64_t type = row.Integer(4);
  if (type < 0 || type > static_cast<std::int64_t>(FileType::kBlockDevice)) {
    ThrowDamaged("file type");
  }
  file.stat = {.type = static_cast<FileType>(type),
               .size = row.Unsigned(5),
               .allocated_bytes = row.Unsigned(6),
               .modify_time_ns = row.Integer(7),
               .change_time_ns = row.Integer(8),
               .device = row.Unsigned(9),
               .inode = row.Unsigned(10),
               .link_count = static_cast<std::uint32_t>(row.Integer(11)),
               .mode = static_cast<std::uint32_t>(row.Integer(12)),
               .uid = static_cast<std::uint32_t>(row.Integer(13)),
               .gid = static_cast<std::uint32_t>(row.Integer(14))};
  if (!row.IsNull(15)) file.digest = ReadDigest(row.Bytes(15));
  file.path = row.Bytes(16);
  return file;
}

EventRecord ReadEvent(const Query& row) {
  EventRecord event{.sequence = SequenceOfKey(row.Integer(0)), .time_ns = row.Integer(1)};
  if (row.IsNull(2)) {
    event.event = ReadFile(row);
  } else {
    event.event = EventPayload{.kind = static_cast<std::uint32_t>(row.Integer(2)),
                               .payload = std::string(row.Bytes(3))};
  }
  return event;
}

// Events of one job, one after the other, until they are worth a chunk.
class ChunkBuffer final {
 public:
  explicit ChunkBuffer(Connection& connection) : connection_(connection) {}

  void Add(std::int64_t key, EventRecord event, std::size_t bytes) {
    if (key != next_key_) Flush();
    if (events_.empty()) job_ = key >> kSequenceBits;
    next_key_ = key + 1;
    bytes_ += bytes;
    events_.push_back(std::move(event));
    if (events_.size() == EventChunk::kMaxEvents || bytes_ >= EventChunk::kFullBytes) Flush();
  }
  void Flush() {
    InsertEvents(connection_, job_, events_);
    events_.clear();
    bytes_ = 0;
  }

 private:
  Connection& connection_;
  std::vector<EventRecord> events_;
  std::size_t bytes_ = 0;
  std::int64_t job_ = 0;
  std::int64_t next_key_ = 0;
};

}  // namespace

void MoveEventsIntoChunks(Connection& connection) {
  {
    ChunkBuffer buffer(connection);
    Query rows(connection.Prepare(kSelectEvents));
    while (rows.Next()) {
      const std::size_t bytes = rows.Bytes(3).size() + rows.Bytes(16).size();
      buffer.Add(rows.Integer(0), ReadEvent(rows), bytes);
    }
    buffer.Flush();
  }
  connection.Execute("DROP TABLE file; DROP TABLE event; DELETE FROM garbage");
}

}  // namespace sluice
