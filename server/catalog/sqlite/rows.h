#ifndef SLUICE_SERVER_CATALOG_SQLITE_ROWS_H_
#define SLUICE_SERVER_CATALOG_SQLITE_ROWS_H_

#include <cstdint>
#include <optional>

#include "pipeline/fs/file.h"
#include "server/catalog/sqlite/connection.h"

// How the catalog's values are laid out in rows.
//
// Events are keyed by EventKey(job, sequence), the rowid of their table: a job's events are a range
// of keys, and a scan's load is an append at the end of a b-tree. Beside a primary key of the two
// columns that was measured a fifth faster and a tenth smaller.
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

// The columns of a file, in the order of BindFile and ReadFile. The path, which alone can be long,
// comes last: what stands behind it would have to be looked for on overflow pages.
inline constexpr char kFileColumns[] =
    "type, size, allocated, mtime, ctime, device, inode, links, mode, uid, gid, digest, path";
inline constexpr int kFileColumnCount = 13;

void BindFile(Query& query, const FileEntry& file);
FileEntry ReadFile(const Query& query, int first_column);

// A digest is a byte for the algorithm and the bytes of the digest, or NULL.
void BindDigest(Query& query, const std::optional<Digest>& digest);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_ROWS_H_
