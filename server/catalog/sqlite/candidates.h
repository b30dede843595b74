#ifndef SLUICE_SERVER_CATALOG_SQLITE_CANDIDATES_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CANDIDATES_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/stages/candidate_list.h"
#include "server/catalog/catalog.h"
#include "server/catalog/sqlite/reader_pool.h"

namespace sluice {

// What the candidates are taken from: jobs by their numbers in the database.
struct CandidateSources {
  struct Scan {
    std::int64_t job = 0;
    std::uint64_t last_sequence = 0;  // The last event that belongs to the snapshot.
  };
  struct Known {
    std::int64_t job = 0;
    std::int64_t trusted_before_ns = 0;
  };
  std::vector<Scan> scans;   // As in the query.
  std::vector<Known> known;  // Those of the query that exist, in its order.
};

// Builds the list of candidates: one sort of the files, by class and name (see CandidateOrder); one
// walk through the sorted rows, which tells the classes with two inodes or more; a sort of these by
// what they can give back. The files stay where the first sort has put them: the list goes to and
// fro in it (see SpooledCandidates).
//
// The store is read in slices, each a read transaction of its own that ends before its events are
// looked at, so that the log can be merged meanwhile; stored events do not change, so that together
// they are a snapshot still.
//
// What the sorts are filled with is read on two threads: until it is sorted the job can do nothing
// else.
//
// Memory: kCandidateSpoolBytes for each of the three sorts, and what a SortedSpool needs beside
// that; half of a MiB for a slice of each thread. Disk: the records of all files within the bounds,
// twice while runs are merged; unlinked files in `directory`. Errors: SQLite::Exception;
// StatusError, Cancelled once `stop` is requested.
inline constexpr std::size_t kCandidateSpoolBytes = std::size_t{4} * 1024 * 1024;

std::unique_ptr<CandidateList> BuildCandidates(ReaderPool& store, const std::string& directory,
                                               const CandidateQuery& query,
                                               const CandidateSources& sources,
                                               const std::stop_token& stop);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CANDIDATES_H_
