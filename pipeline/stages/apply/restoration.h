#ifndef SLUICE_PIPELINE_STAGES_APPLY_RESTORATION_H_
#define SLUICE_PIPELINE_STAGES_APPLY_RESTORATION_H_

#include <memory>
#include <optional>
#include <string>

#include "pipeline/async/task.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/content_check.h"
#include "pipeline/stages/apply/journal.h"
#include "pipeline/stages/apply/pinned_file.h"
#include "pipeline/stages/apply/placement.h"
#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {

// Undoing one change
// ==================
//
//   kHardlink  A copy of the shared file, with the metadata that the path had before, is made in
//   the
//              stage directory, digested on the way, and exchanged with the path.
//   kSymlink   The same, of the file that the link leads to.
//   kReflink   The same, of the file itself: its storage is its own again (its inode is another).
//   kRemove    The file moves back from where it was kept.
//
// A path that is not what was made of it, and content that is not any more what the plan said, are
// left alone. Not thread-safe. Lifetime: `done`, `options` and `deps` outlive it.
class Restoration final {
 public:
  // `journal` is null in a dry run.
  Restoration(const ChangeIntent& done, const ApplyOptions& options, const ApplyDeps& deps,
              StageDirectories& stages, ApplyJournal* journal)
      : done_(done), options_(options), deps_(deps), stages_(stages), journal_(journal) {}

  // Throws Cancelled (nothing has changed then), StatusError when the journal cannot be written.
  Task<ApplyOutcome> Run();

 private:
  using Verdict = std::optional<ChangeError>;

  Task<Verdict> Restore();
  Verdict CheckLink();  // That the path is what was made of it.
  Verdict PinSource();
  Task<Verdict> PutCopy();
  Task<Verdict> WriteCopy(int copy);
  Verdict PlaceCopy(int copy);
  Verdict MoveBack();
  Verdict Begin();  // The intent is durable.

  const ChangeIntent& done_;
  const ApplyOptions& options_;
  const ApplyDeps& deps_;
  StageDirectories& stages_;
  ApplyJournal* journal_;

  PinnedName at_;  // The path, and what is there:
  InodeId current_;
  PinnedFile source_;  // Where the content comes from.
  Lease lease_;
  FileMetadata metadata_;  // What the path gets.
  std::shared_ptr<StageDirectory> stage_;
  ChangeIntent intent_;  // Of the undo.
  bool begun_ = false;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_RESTORATION_H_
