#include "server/catalog/sqlite/garbage.h"

#include <algorithm>
#include <limits>
#include <optional>

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

void DeleteEvents(Connection& connection, const KeyRange& keys) {
  for (const char* sql : {"DELETE FROM file WHERE key BETWEEN ?1 AND ?2",
                          "DELETE FROM event WHERE key BETWEEN ?1 AND ?2"}) {
    Query(connection.Prepare(sql)).Bind(keys.first).Bind(keys.last).Run();
  }
}

}  // namespace

void DiscardEvents(Connection& connection, std::int64_t job, std::uint64_t first_sequence,
                   std::uint64_t last_sequence) {
  if (last_sequence < first_sequence) return;
  Query insert(connection.Prepare("INSERT INTO garbage (first_key, last_key) VALUES (?1, ?2)"));
  insert.Bind(EventKey(job, first_sequence)).Bind(EventKey(job, last_sequence)).Run();
}

bool PurgeEvents(Connection& connection, std::size_t max_rows) {
  // Sequences have no gaps: there are as many rows as keys.
  auto left = static_cast<std::int64_t>(
      std::min<std::uint64_t>(max_rows, std::numeric_limits<std::int64_t>::max()));
  std::optional<KeyRange> range = FirstRange(connection);
  while (range && left > 0) {
    const std::int64_t last = range->first + std::min(left - 1, range->last - range->first);
    DeleteEvents(connection, {.first = range->first, .last = last});
    left -= last - range->first + 1;
    if (last == range->last) {
      Query(connection.Prepare("DELETE FROM garbage WHERE first_key = ?1"))
          .Bind(range->first)
          .Run();
    } else {
      Query(connection.Prepare("UPDATE garbage SET first_key = ?1 WHERE first_key = ?2"))
          .Bind(last + 1)
          .Bind(range->first)
          .Run();
    }
    range = FirstRange(connection);
  }
  return range.has_value();
}

}  // namespace sluice
