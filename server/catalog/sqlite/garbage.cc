#include "server/catalog/sqlite/garbage.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "pipeline/stages/known_content.h"
#include "server/catalog/sqlite/rows.h"

namespace sluice {
namespace {

struct KeyRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

std::optional<KeyRange> FirstRange(Connection& connection) {
  Query query(
      connection.Prepare("SELECT first_key, last_key FROM garbage ORDER BY first_key LIMIT 1"));
  if (!query.Next()) return std::nullopt;
  return KeyRange{.first = query.Integer(0), .last = query.Integer(1)};
}

std::optional<std::int64_t> FirstJob(Connection& connection) {
  Query query(connection.Prepare("SELECT job FROM content_garbage ORDER BY job LIMIT 1"));
  if (!query.Next()) return std::nullopt;
  return query.Integer(0);
}

// Cuts the range behind the chunk with the last of the first so many events, if there are more.
// Returns how many events it has then.
std::int64_t Shorten(Connection& connection, KeyRange& range, std::int64_t max_events) {
  Query chunks(
      connection.Prepare("SELECT key, count FROM event_chunk WHERE key BETWEEN ?1 AND ?2"
                         " ORDER BY key"));
  chunks.Bind(range.first).Bind(range.last);
  std::int64_t events = 0;
  while (chunks.Next()) {
    events += chunks.Integer(1);
    if (events < max_events) continue;
    const std::int64_t key = chunks.Integer(0);
    if (chunks.Next()) range.last = key;
    break;
  }
  return events;
}

std::int64_t PurgeEvents(Connection& connection, const KeyRange& garbage, std::int64_t max_events) {
  KeyRange range = garbage;
  const std::int64_t events = Shorten(connection, range, max_events);
  Query(connection.Prepare("DELETE FROM event_chunk WHERE key BETWEEN ?1 AND ?2"))
      .Bind(range.first)
      .Bind(range.last)
      .Run();
  if (range.last == garbage.last) {
    Query(connection.Prepare("DELETE FROM garbage WHERE first_key = ?1")).Bind(range.first).Run();
  } else {
    Query(connection.Prepare("UPDATE garbage SET first_key = ?1 WHERE first_key = ?2"))
        .Bind(range.last + 1)
        .Bind(range.first)
        .Run();
  }
  return events;
}

// Contents count as if all chunks were full.
std::int64_t PurgeContents(Connection& connection, std::int64_t job, std::int64_t max_contents) {
  constexpr auto kEach = static_cast<std::int64_t>(kMaxKnownContents);
  const std::int64_t max_chunks = std::max<std::int64_t>(max_contents / kEach, 1);
  Query(connection.Prepare("DELETE FROM content_chunk WHERE key IN (SELECT key FROM content_chunk"
                           " WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3)"))
      .Bind(EventKey(job, 0))
      .Bind(EventKey(job, kMaxSequence))
      .Bind(max_chunks)
      .Run();
  const std::int64_t chunks = connection.database().getChanges();
  if (chunks < max_chunks) {
    Query(connection.Prepare("DELETE FROM content_garbage WHERE job = ?1")).Bind(job).Run();
  }
  return chunks * kEach;
}

}  // namespace

void DiscardLog(Connection& connection, const StoredJob& job) {
  if (job.last_sequence >= job.oldest_sequence) {
    Query insert(connection.Prepare("INSERT INTO garbage (first_key, last_key) VALUES (?1, ?2)"));
    insert.Bind(EventKey(job.number, job.oldest_sequence));
    insert.Bind(EventKey(job.number, job.last_sequence)).Run();
  }
  Query(connection.Prepare("INSERT OR IGNORE INTO content_garbage (job)"
                           " SELECT ?1 WHERE EXISTS"
                           " (SELECT 1 FROM content_chunk WHERE key BETWEEN ?2 AND ?3)"))
      .Bind(job.number)
      .Bind(EventKey(job.number, 0))
      .Bind(EventKey(job.number, kMaxSequence))
      .Run();
}

bool PurgeDiscarded(Connection& connection, std::size_t max_events) {
  auto left = static_cast<std::int64_t>(
      std::min<std::uint64_t>(max_events, std::numeric_limits<std::int64_t>::max()));
  std::optional<KeyRange> range = FirstRange(connection);
  for (; range && left > 0; range = FirstRange(connection)) {
    left -= PurgeEvents(connection, *range, left);
  }
  std::optional<std::int64_t> job = FirstJob(connection);
  for (; job && left > 0; job = FirstJob(connection)) {
    left -= PurgeContents(connection, *job, left);
  }
  return range || job;
}

}  // namespace sluice
