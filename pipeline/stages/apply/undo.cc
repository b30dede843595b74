#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "pipeline/async/status_error.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/journal_tail.h"
#include "pipeline/stages/apply/restoration.h"
#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {
namespace {

// The changes that a journal says were made, in the order in which they ended. Holds the intents of
// one batch at a time.
AsyncGenerator<ChangeIntent> ChangesMade(std::string journal_path) {
  ApplyJournal::Reader reader = ValueOrThrow(ApplyJournal::Reader::Open(journal_path));
  std::map<ApplyPosition, ChangeIntent> open;
  while (auto record = ValueOrThrow(reader.Next())) {
    if (auto* intent = std::get_if<ChangeIntent>(&*record)) {
      open.insert_or_assign(intent->position, std::move(*intent));
      continue;
    }
    const auto& done = std::get<ChangeDone>(*record);
    const auto found = open.find(done.position);
    if (found == open.end()) continue;
    ChangeIntent intent = std::move(found->second);
    open.erase(found);
    if (done.outcome.result == ApplyOutcome::Result::kApplied) co_yield std::move(intent);
  }
}

}  // namespace

AsyncGenerator<ApplyItem> Undo(std::string undone, ApplyOptions options, ApplyDeps deps) {
  StageDirectories stages(deps.fs, deps.roots);
  const JournalTail tail = ValueOrThrow(JournalTail::Read(deps.journal_path, deps.resume_after));
  std::unique_ptr<ApplyJournal> journal;
  if (options.mode == ApplyOptions::Mode::kExecute) {
    journal = ValueOrThrow(ApplyJournal::Open(deps.journal_path));
  }
  std::uint64_t changes = tail.changes_before();
  std::set<std::string> kept;  // Where removed files were: one directory a mount.
  auto made = ChangesMade(std::move(undone));
  while (changes < options.max_changes) {
    auto change = co_await made.Next();
    if (!change) break;
    const ApplyPosition position = change->position;
    if (kept.size() < StageDirectories::kMaxMounts) kept.insert(change->stage_directory);
    if (deps.resume_after && position <= *deps.resume_after) continue;
    ThrowIfStopRequested(deps.scope.stop_token());
    std::optional<ApplyOutcome> outcome = tail.Find(position);
    if (!outcome) {
      Restoration restoration(*change, options, deps, stages, journal.get());
      outcome = co_await restoration.Run();
    }
    if (!outcome->skip_reason && !outcome->failure) ++changes;
    co_yield ApplyItem(*std::move(outcome));
    co_yield ApplyItem(ApplyCheckpoint{.position = position});
    co_await deps.scope.executor().YieldIfBusy();
  }
  if (!journal) co_return;
  ThrowIfError(journal->Sync());
  stages.RemoveEmpty();
  for (const std::string& path : kept) RemoveStageIfEmpty(deps.fs, deps.roots, path);
}

}  // namespace sluice
