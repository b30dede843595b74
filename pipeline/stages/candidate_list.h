#ifndef SLUICE_PIPELINE_STAGES_CANDIDATE_LIST_H_
#define SLUICE_PIPELINE_STAGES_CANDIDATE_LIST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "pipeline/fs/file.h"
#include "pipeline/stages/known_content.h"

namespace sluice {

// One recorded name of a regular file that shares its size with another inode.
struct CandidateFile {
  FileEntry file;
  std::uint32_t scan_index = 0;  // Into ReconcileOptions::scans.
  // Files of the same class have the same size and may be compared with each other.
  std::uint64_t size_class = 0;
  // What earlier jobs have found out about this version, beside the digest in `file`.
  ContentKey known;
};

// The candidates, ordered by size class (those that can give back most at first), device, inode,
// path; addressed by position 0, 1, 2 ... A snapshot: it does not change. Thread-safe. Blocks.
class CandidateList {
 public:
  CandidateList() = default;
  CandidateList(const CandidateList&) = delete;
  CandidateList& operator=(const CandidateList&) = delete;
  virtual ~CandidateList() = default;

  // At most `limit` candidates from position `first` on; fewer only at the end.
  virtual absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t first,
                                                          std::size_t limit) = 0;

  // How many there are; 0 when that is not known.
  virtual std::uint64_t size() const { return 0; }
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_CANDIDATE_LIST_H_
