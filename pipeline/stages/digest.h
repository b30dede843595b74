#ifndef SLUICE_PIPELINE_STAGES_DIGEST_H_
#define SLUICE_PIPELINE_STAGES_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/recorded_digests.h"
#include "pipeline/stages/recorded_items.h"

namespace sluice {

struct DigestDeps {
  ContentDigester& digester;
  JobScope& scope;  // Chunks are digested on its executor.
  PipelineCounters& counters;
  // What an earlier run of the job has recorded: is not yielded again. Null: nothing.
  const RecordedItems* recorded = nullptr;
  // Digests of an earlier scan: files that are still in those versions are not opened, nor counted.
  // Null: none. Outlives the generator.
  const RecordedDigests* base = nullptr;
};

// Files go to a thread in chunks, since a hand-off between threads costs more than to digest a
// small file: a chunk ends with this many items, or when its files come to so many bytes.
inline constexpr std::size_t kDigestChunkItems = 32;
inline constexpr std::uint64_t kDigestChunkBytes = 4 * 1024 * 1024;

// Leaves out the files (of any type) that were recorded in the version they still have. Blocks on
// the disk. Lifetime: `recorded` outlives the generator; null: passes everything.
AsyncGenerator<ScanItem> NotYetRecorded(AsyncGenerator<ScanItem> source,
                                        const RecordedItems* recorded);

// Adds the digest of the whole content to every regular file that passes; a file that fails becomes
// an ItemError; all else passes untouched. A file that changes between its enumeration and its
// digest is recorded in the version that was read. The names of an inode that are met near each
// other are read once. What was recorded before is left out, unread.
// Totals: known when the source has ended.
// Order: as they are read, so that no huge file holds back small ones. Bound: at most concurrency x
// kDigestChunkItems items ahead of the consumer (and one chunk being filled). Cancellation: stops
// in the middle of a file. REQUIRES: concurrency >= 1.
AsyncGenerator<ScanItem> DigestAll(AsyncGenerator<ScanItem> source, DigestAlgorithm algorithm,
                                   std::size_t concurrency, DigestDeps deps);

// The same, but only files that share their size with another inode of the source are digested. All
// that is no regular file passes at once; the regular files follow, ordered by size, when the
// source has ended; until then they wait in a spool of bounded memory in `spool_directory`. A file
// that was recorded before is left out, unread, but others still share their size with it.
// Totals: known soon after the source has ended.
AsyncGenerator<ScanItem> DigestCandidates(AsyncGenerator<ScanItem> source,
                                          DigestAlgorithm algorithm, std::size_t concurrency,
                                          std::string spool_directory, DigestDeps deps);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_DIGEST_H_
