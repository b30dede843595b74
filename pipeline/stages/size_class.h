#ifndef SLUICE_PIPELINE_STAGES_SIZE_CLASS_H_
#define SLUICE_PIPELINE_STAGES_SIZE_CLASS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/async/task.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/candidate_pages.h"
#include "pipeline/stages/reconcile_context.h"

namespace sluice {

// The candidates of one size that may be compared with each other.
struct SizeClass {
  std::uint64_t first = 0;  // Positions in the candidate list.
  std::uint64_t end = 0;
  std::uint64_t size = 0;    // Of every file.
  bool all_recorded = true;  // Every name has a digest that may be used again.
  // All of them when the class is small, otherwise none.
  std::vector<CandidateFile> names;

  bool small() const { return !names.empty(); }
  std::uint64_t name_count() const { return end - first; }
  std::uint64_t bytes() const { return name_count() * size; }

  // What is read of its files, one after the other, as long as they are not told apart. A file of
  // at most kContentEndBytes is its own prefix; one of twice as much is read whole at once rather
  // than in two halves; where all digests are recorded there is nothing to find out before them.
  std::span<const ContentPart> stages() const;
};

// A digest of the whole content that the job can use.
bool HasRecordedDigest(const FileEntry& file, const ReconcileOptions& options);

// Reads the candidates class by class, and passes over classes that cannot make a plan. A class
// that is not small is read once, to find its end. Memory: one small class and one page. Not
// thread-safe. Blocks. Errors: StatusError, as the list has it; Cancelled.
class SizeClassReader final {
 public:
  explicit SizeClassReader(ReconcileContextPtr context);

  // The next class, nullptr at the end. Stays the next one until it is taken. Offers its thread to
  // others after each page.
  Task<const SizeClass*> Peek();
  // REQUIRES: the last Peek was not nullptr.
  SizeClass Take();

  // The end of the list, when there is no next class.
  std::uint64_t position() const { return position_; }

 private:
  // Reads the class at position_; nullopt when it cannot make a plan.
  Task<std::optional<SizeClass>> ReadClass();

  ReconcileContextPtr context_;
  CandidatePages pages_;
  std::uint64_t position_;
  std::optional<SizeClass> next_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_SIZE_CLASS_H_
