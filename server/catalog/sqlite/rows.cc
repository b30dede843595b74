#include "server/catalog/sqlite/rows.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <string>

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>
#include <xxhash.h>

namespace sluice {

std::int64_t EventKey(std::int64_t job, std::uint64_t sequence) {
  assert(job >= 0 && job <= kMaxJobNumber);
  return (job << kSequenceBits) | static_cast<std::int64_t>(std::min(sequence, kMaxSequence));
}

std::uint64_t SequenceOfKey(std::int64_t key) {
  return static_cast<std::uint64_t>(key) & kMaxSequence;
}

void ThrowDamaged(const char* what) {
  throw SQLite::Exception(std::string("damaged row: ") + what, SQLITE_CORRUPT);
}

std::int64_t ChecksumOf(std::int64_t key, std::uint64_t count, std::string_view body) {
  const std::uint64_t seed = std::bit_cast<std::uint64_t>(key) ^ std::rotr(count, 10);
  return std::bit_cast<std::int64_t>(XXH3_64bits_withSeed(body.data(), body.size(), seed));
}

std::string_view CheckedBody(const Query& query, std::int64_t key, std::uint64_t count,
                             int body_column) {
  const std::string_view body = query.Bytes(body_column);
  if (query.Integer(body_column - 1) != ChecksumOf(key, count, body)) {
    ThrowDamaged("checksum of a chunk");
  }
  return body;
}

}  // namespace sluice
