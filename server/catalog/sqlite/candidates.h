#ifndef SLUICE_SERVER_CATALOG_SQLITE_CANDIDATES_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CANDIDATES_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/stages/reconcile.h"
#include "server/catalog/catalog.h"

namespace sluice {

// A scan as the candidates are taken from it: its number in the database, and the last of its
// events that belongs to the snapshot.
struct CandidateScan {
  std::int64_t job = 0;
  std::uint64_t last_sequence = 0;
};

// Builds the list of candidates in a database file of its own
// ===========================================================
//
//   inode       size, device, inode of every regular file           (a small row each)
//   size_class  the sizes that two inodes have, best first           (sorted)
//   staged      the file records of these sizes
//   candidate   the same, sorted, each name once, numbered 0, 1 ...  (the result)
//
// The first three are temporary tables, gone when it returns. All sorting is SQLite's, which
// spills to files: memory does not grow with the number of rows; disk is used for about three times
// the records that become candidates.
//
// The store is read in slices of sequences, each a read transaction of its own, so that its log can
// be merged meanwhile; stored events do not change, so that together they are a snapshot still.
//
// `list_file` does not exist, and is removed with the list.
// Errors: SQLite::Exception (SQLITE_INTERRUPT once `stop` is requested).
std::unique_ptr<CandidateList> BuildCandidates(const std::string& store_file,
                                               const std::string& list_file,
                                               const CandidateQuery& query,
                                               const std::vector<CandidateScan>& scans,
                                               const std::stop_token& stop);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CANDIDATES_H_
