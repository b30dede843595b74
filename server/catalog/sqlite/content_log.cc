#include "server/catalog/sqlite/content_log.h"

#include <algorithm>

#include "server/catalog/sqlite/content_chunk.h"
#include "server/catalog/sqlite/rows.h"

namespace sluice {
namespace {

std::uint64_t LastNumber(Connection& connection, std::int64_t job) {
  Query query(
      connection.Prepare("SELECT key FROM content_chunk WHERE key BETWEEN ?1 AND ?2"
                         " ORDER BY key DESC LIMIT 1"));
  query.Bind(EventKey(job, 0)).Bind(EventKey(job, kMaxSequence));
  return query.Next() ? SequenceOfKey(query.Integer(0)) : 0;
}

bool AreGivenUp(Connection& connection, std::int64_t job) {
  Query query(connection.Prepare("SELECT 1 FROM content_garbage WHERE job = ?1"));
  query.Bind(job);
  return query.Next();
}

}  // namespace

void InsertContents(Connection& connection, std::int64_t job,
                    std::span<const KnownContent> contents) {
  if (contents.empty()) return;
  std::uint64_t number = LastNumber(connection, job);
  std::string body;
  Query insert(connection.Prepare(
      "INSERT INTO content_chunk (key, count, checksum, body) VALUES (?1, ?2, ?3, ?4)"));
  while (!contents.empty()) {
    const std::size_t count = std::min(contents.size(), kMaxKnownContents);
    body.clear();
    AppendContents(contents.first(count), body);
    contents = contents.subspan(count);
    const std::int64_t key = EventKey(job, ++number);
    insert.Bind(key).BindUnsigned(count).Bind(ChecksumOf(key, count, body)).BindBytes(body).Run();
  }
}

ContentSlice ReadContents(Connection& connection, std::int64_t job, std::uint64_t first,
                          std::size_t max_bytes) {
  ContentSlice slice;
  if (AreGivenUp(connection, job)) return slice;
  Query query(connection.Prepare(
      "SELECT key, count, checksum, body FROM content_chunk WHERE key BETWEEN ?1 AND ?2"
      " ORDER BY key"));
  query.Bind(EventKey(job, first)).Bind(EventKey(job, kMaxSequence));
  for (std::size_t bytes = 0; bytes <= max_bytes && query.Next();) {
    const std::int64_t key = query.Integer(0);
    bytes += slice.chunks.emplace_back(CheckedBody(query, key, query.Unsigned(1), 3)).size();
    slice.next = SequenceOfKey(key) + 1;
  }
  return slice;
}

}  // namespace sluice
