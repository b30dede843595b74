#include "pipeline/stages/apply/journal_changes.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"

#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {

absl::Status ReadChanges(const std::string& journal_path, const OnEnd& on_end,
                         JournalChanges* changes) {
  absl::StatusOr<ApplyJournal::Reader> reader = ApplyJournal::Reader::Open(journal_path);
  if (absl::IsNotFound(reader.status())) return absl::OkStatus();
  if (!reader.ok()) return reader.status();
  while (true) {
    absl::StatusOr<std::optional<JournalRecord>> record = reader->Next();
    if (!record.ok()) return record.status();
    if (!*record) return absl::OkStatus();
    if (auto* intent = std::get_if<ChangeIntent>(&**record)) {
      if (changes->stages.size() < StageDirectories::kMaxMounts) {
        changes->stages.insert(intent->stage_directory);
      }
      changes->open.insert_or_assign(intent->position, std::move(*intent));
      continue;
    }
    const ChangeDone& done = std::get<ChangeDone>(**record);
    if (const auto found = changes->open.find(done.position); found != changes->open.end()) {
      on_end(found->second, done.outcome);
      changes->open.erase(found);
    }
  }
}

}  // namespace sluice
