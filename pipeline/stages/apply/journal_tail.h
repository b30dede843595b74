#ifndef SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_TAIL_H_
#define SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_TAIL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "pipeline/stages/apply/journal.h"

namespace sluice {

// What an earlier run of a job has done beyond its last checkpoint: the outcomes that it had
// written into its journal, and not been able to tell. They are no more than what was on its way to
// the event log: a batch here, and some of the log's.
class JournalTail final {
 public:
  // Of a journal that was recovered; of none, nothing. Errors: ApplyJournal::Reader's.
  static absl::StatusOr<JournalTail> Read(const std::string& journal_path,
                                          const std::optional<ApplyPosition>& after);

  // The outcome of a change that was begun, and ended.
  std::optional<ApplyOutcome> Find(ApplyPosition position) const;
  // Changes made up to and including `after`.
  std::uint64_t changes_before() const { return changes_before_; }

 private:
  std::map<ApplyPosition, ApplyOutcome> outcomes_;
  std::uint64_t changes_before_ = 0;
};

// A change that turned out not to have begun, or was taken back, when its journal was recovered: a
// run that goes on takes it up again. Never yielded.
bool IsAborted(const ApplyOutcome& outcome);
ApplyOutcome AbortedOutcome(const ChangeIntent& intent);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_TAIL_H_
