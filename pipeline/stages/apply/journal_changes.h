#ifndef SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_CHANGES_H_
#define SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_CHANGES_H_

#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"

#include "pipeline/stages/apply/journal.h"

namespace sluice {

// What a journal says, in constant memory.
struct JournalChanges {
  std::map<ApplyPosition, ChangeIntent> open;  // Not ended: at most a batch.
  std::set<std::string> stages;                // Where objects were made; one a mount.
};

// Reads a journal; of one that does not exist, nothing. Calls `on_end` for each change that has
// ended, in that order. Errors: ApplyJournal::Reader's; `changes` holds what was read before.
using OnEnd = std::function<void(const ChangeIntent& intent, const ApplyOutcome& outcome)>;
absl::Status ReadChanges(const std::string& journal_path, const OnEnd& on_end,
                         JournalChanges* changes);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_CHANGES_H_
