#ifndef SLUICE_PIPELINE_STAGES_CANDIDATE_PAGES_H_
#define SLUICE_PIPELINE_STAGES_CANDIDATE_PAGES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "pipeline/async/status_error.h"
#include "pipeline/stages/candidate_list.h"

namespace sluice {

// Candidates by position, read a page at a time.
// Not thread-safe. Blocks. Lifetime: the list outlives it. Errors: StatusError, as the list has it.
class CandidatePages final {
 public:
  static constexpr std::size_t kPageItems = 256;

  explicit CandidatePages(CandidateList& list) : list_(list) {}
  // Begins with a page that has been read already.
  CandidatePages(CandidateList& list, std::uint64_t first, std::vector<CandidateFile> page)
      : list_(list), first_(first), page_(std::move(page)) {}

  // The candidate, valid until the next call; nullptr beyond the last one. `wanted` is how many are
  // worth reading from there on.
  CandidateFile* At(std::uint64_t position, std::uint64_t wanted = kPageItems) {
    if (position < first_ || position - first_ >= page_.size()) {
      const std::uint64_t limit = std::min<std::uint64_t>(wanted, kPageItems);
      page_ = ValueOrThrow(list_.Read(position, static_cast<std::size_t>(limit)));
      first_ = position;
    }
    return page_.empty() ? nullptr : &page_[position - first_];
  }

 private:
  CandidateList& list_;
  std::uint64_t first_ = 0;
  std::vector<CandidateFile> page_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_CANDIDATE_PAGES_H_
