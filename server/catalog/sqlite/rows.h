#ifndef SLUICE_SERVER_CATALOG_SQLITE_ROWS_H_
#define SLUICE_SERVER_CATALOG_SQLITE_ROWS_H_

#include <cstdint>
#include <string_view>

#include "server/catalog/sqlite/connection.h"

// How the catalog's values are laid out in rows.
//
// Chunks of events are keyed by EventKey(job, first sequence), chunks of contents by the same of a
// number of their own; the key is the rowid of their table: what belongs to a job is a range of
// keys, and a scan's load is an append at the end of a b-tree. Beside a primary key of two columns
// that was measured a fifth faster and a tenth smaller.
//
// A value that no version of this code would have written is SQLITE_CORRUPT, like any other damage.
namespace sluice {

// 2^27 jobs of 2^36 events each.
inline constexpr int kSequenceBits = 36;
inline constexpr std::uint64_t kMaxSequence = (std::uint64_t{1} << kSequenceBits) - 1;
inline constexpr std::int64_t kMaxJobNumber = (std::int64_t{1} << (63 - kSequenceBits)) - 1;

// REQUIRES: job <= kMaxJobNumber. A sequence beyond kMaxSequence counts as kMaxSequence.
std::int64_t EventKey(std::int64_t job, std::uint64_t sequence);
std::uint64_t SequenceOfKey(std::int64_t key);

[[noreturn]] void ThrowDamaged(const char* what);

// SQLite finds damage of its b-trees, not of what they hold: a chunk has a checksum beside it,
// which depends on its key and on how many records it has as well.
std::int64_t ChecksumOf(std::int64_t key, std::uint64_t count, std::string_view body);
// The last column, a body, if the checksum in the column before it is of it. Valid until the next
// step of the query.
std::string_view CheckedBody(const Query& query, std::int64_t key, std::uint64_t count,
                             int body_column);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_ROWS_H_
