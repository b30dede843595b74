#ifndef SLUICE_SERVER_CATALOG_SQLITE_SPOOLED_CANDIDATES_H_
#define SLUICE_SERVER_CATALOG_SQLITE_SPOOLED_CANDIDATES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"

#include "pipeline/fs/spool_file.h"
#include "pipeline/stages/candidate_list.h"
#include "server/catalog/sqlite/candidate_rows.h"

namespace sluice {

// Where the stretches of the list are: by index 0, 1, 2 ..., in the order of the list; in a
// temporary file. Not thread-safe. Errors: StatusError.
class StretchTable final {
 public:
  struct Stretch {
    std::uint64_t first = 0;  // Position in the list; its end is the first of the next one.
    std::uint64_t size_class = 0;
    std::uint64_t place = 0;
    std::uint64_t known_place = 0;
  };

  explicit StretchTable(const std::string& directory) : file_(directory) {}

  void Append(const Stretch& stretch);
  // Ends the table: a stretch that begins where the list ends is at its end.
  void Finish(std::uint64_t end);

  std::uint64_t end() const { return end_; }
  // REQUIRES: finished, and index <= the number of stretches.
  const Stretch& At(std::uint64_t index);
  // The index of the stretch with this position. REQUIRES: finished, and position < end().
  std::uint64_t Find(std::uint64_t position);

 private:
  static constexpr std::size_t kWindow = 256;

  internal::SpoolFile file_;
  std::uint64_t count_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t window_first_ = 0;  // Index of the first one of window_.
  std::vector<Stretch> window_;
};

// A few cursors of one spool. The list goes through its classes in another order than that in which
// they are stored; but those with equally many files are in the same one, so that a cursor for each
// of the usual numbers reads on most of the time where it was.
// Not thread-safe. Lifetime: the spool outlives it. Errors: StatusError.
template <typename Spool>
class NearCursors final {
 public:
  explicit NearCursors(const Spool& spool) : spool_(spool) {}

  // A cursor that reads from `place` on, valid until the next call.
  typename Spool::Cursor& At(std::uint64_t place);

 private:
  static constexpr std::size_t kCursors = 16;
  static constexpr std::size_t kBufferBytes = 8 * 1024;

  struct Entry {
    typename Spool::Cursor cursor;
    std::uint64_t used = 0;
  };

  const Spool& spool_;
  std::vector<Entry> entries_;
  std::uint64_t uses_ = 0;
};

// The list as the builder (see sqlite/candidates.h) has sorted it: the rows of all files by class,
// and the table that says which classes are candidates, in which order; read beside each other. One
// lock, held for the time of a page.
//
// Several readers that each read on where they were are served without looking for their places, as
// long as there are no more than kWalks. Any other read looks its position up in the table, and
// passes over as many names as a stretch has.
//
// Memory: what is left of the spools (see there) and 0.3 MiB of buffers.
class SpooledCandidates final : public CandidateList {
 public:
  // `known` is null when nothing is known of any file. All are finished.
  SpooledCandidates(std::unique_ptr<const CandidateSpool> files,
                    std::unique_ptr<const KnownSpool> known, std::unique_ptr<StretchTable> table);
  ~SpooledCandidates() override;

  absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t first, std::size_t limit) override;
  std::uint64_t size() const override { return size_; }

 private:
  static constexpr std::size_t kWalks = 4;

  // A reader's place: the next name it has not had yet.
  struct Walk {
    std::uint64_t position = 0;
    std::uint64_t stretch = 0;
    std::uint64_t place = 0;
    std::uint64_t known_place = 0;
    std::uint64_t used = 0;
  };

  Walk& WalkAt(std::uint64_t position) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enter(Walk& walk, std::uint64_t stretch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Appends the next `count` names, all of one stretch.
  void Take(Walk& walk, std::uint64_t count, std::vector<CandidateFile>& page)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<CandidateFile> ReadLocked(std::uint64_t first, std::size_t limit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<const CandidateSpool> files_;
  const std::unique_ptr<const KnownSpool> known_;
  const std::uint64_t size_;
  std::mutex mutex_;
  const std::unique_ptr<StretchTable> table_ ABSL_PT_GUARDED_BY(mutex_);
  NearCursors<CandidateSpool> file_cursors_ ABSL_GUARDED_BY(mutex_);
  std::optional<NearCursors<KnownSpool>> known_cursors_ ABSL_GUARDED_BY(mutex_);
  std::array<Walk, kWalks> walks_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_SPOOLED_CANDIDATES_H_
