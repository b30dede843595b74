#include "pipeline/stages/apply/journal_tail.h"

#include <utility>

namespace sluice {

bool IsAborted(const ApplyOutcome& outcome) {
  return outcome.result == ApplyOutcome::Result::kSkipped && !outcome.skip_reason;
}

ApplyOutcome AbortedOutcome(const ChangeIntent& intent) {
  return {.plan = intent.plan,
          .path = intent.path,
          .action = intent.action,
          .undo = intent.undo,
          .result = ApplyOutcome::Result::kSkipped,
          .kept_path = intent.kept_path};
}

absl::StatusOr<JournalTail> JournalTail::Read(const std::string& journal_path,
                                              const std::optional<ApplyPosition>& after) {
  JournalTail tail;
  if (journal_path.empty()) return tail;
  absl::StatusOr<ApplyJournal::Reader> reader = ApplyJournal::Reader::Open(journal_path);
  if (absl::IsNotFound(reader.status())) return tail;
  if (!reader.ok()) return reader.status();
  while (true) {
    absl::StatusOr<std::optional<JournalRecord>> record = reader->Next();
    if (!record.ok()) return record.status();
    if (!*record) return tail;
    auto* done = std::get_if<ChangeDone>(&**record);
    if (done == nullptr || IsAborted(done->outcome)) continue;
    if (after && done->position <= *after) {
      if (done->outcome.result == ApplyOutcome::Result::kApplied) ++tail.changes_before_;
    } else {
      tail.outcomes_.insert_or_assign(done->position, std::move(done->outcome));
    }
  }
}

std::optional<ApplyOutcome> JournalTail::Find(ApplyPosition position) const {
  const auto found = outcomes_.find(position);
  return found == outcomes_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace sluice
