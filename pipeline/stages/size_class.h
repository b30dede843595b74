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
  std::uint64_t size = 0;  // Of every file.
  std::uint64_t inodes = 0;
  // Of every inode the whole is known before anything is read; of some inode, but not its prefix.
  bool all_known = true;
  bool some_known_without_prefix = false;
  // All of them when the class is small, otherwise none.
  std::vector<CandidateFile> names;
  std::size_t name_bytes = 0;  // Of memory that all names take, or would.

  bool small() const { return !names.empty(); }
  std::uint64_t name_count() const { return end - first; }
  std::uint64_t bytes() const { return inodes * size; }

  // What its files are told apart by, one part after the other, as long as they are not. Where all
  // are known there is nothing to find out before that; a file of at most kContentSuffixFromBytes
  // is read whole rather than its end alone, and at once rather than to compare it with one whose
  // prefix is not known; tiny ones are digested sooner than opened again.
  std::span<const ContentPart> stages() const;
};

// Files of classes that are not small are digested at once up to this size. (In a small class a
// file of up to kContentEndBytes is kept in memory until it is known whether its digest is wanted.)
inline constexpr std::uint64_t kDigestAtOnceBytes = 4 * 1024;

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
