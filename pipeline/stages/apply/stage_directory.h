#ifndef SLUICE_PIPELINE_STAGES_APPLY_STAGE_DIRECTORY_H_
#define SLUICE_PIPELINE_STAGES_APPLY_STAGE_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/roots.h"
#include "pipeline/fs/unique_fd.h"
#include "pipeline/stages/apply/pinned_file.h"

namespace sluice {

// The private directory of one mount: new objects are made there, out of everybody's way, and
// exchanged with what they replace; what comes out is looked at there before it is dropped. It is
// the server's own, mode 0700, so nobody else's names are in it.
//
// It is locked, shared, as long as it is used: whoever takes it away when it is empty has it
// exclusively for that, so that it never goes from under a job that is about to use it.
//
// It is made after the first intent that names it is durable: whatever the moment of a crash,
// RecoverJournal knows of it.
struct StageDirectory {
  UniqueFd directory;  // O_RDONLY. Invalid until MakeStage.
  UniqueFd parent;     // The top of the mount, within the allowed root.
  std::string path;    // Absolute bytes.
};

// The stage directories of one job: found where they are needed, for MakeStage; taken away again at
// the end, if they are empty. They lie at the top of the mount, within the allowed root, of the
// names that are changed, since names can be exchanged within one mount only. At most kMaxMounts
// are open. Not thread-safe.
class StageDirectories final {
 public:
  static constexpr std::size_t kMaxMounts = 16;

  StageDirectories(FsOps& fs, const AllowedRoots& roots) : fs_(fs), roots_(roots) {}

  // The one for names in the directory of `at`, whether or not it is there.
  std::optional<ChangeError> For(const PinnedName& at, std::shared_ptr<StageDirectory>* stage);

  // Removes those that are empty.
  void RemoveEmpty();

 private:
  std::optional<ChangeError> Find(const PinnedName& at, std::uint64_t mount,
                                  std::shared_ptr<StageDirectory>* stage);

  FsOps& fs_;
  const AllowedRoots& roots_;
  std::map<std::uint64_t, std::shared_ptr<StageDirectory>> by_mount_;
};

// Opens and locks it, made where it is not there; nothing where that was done before. Errors: also
// where something that is not ours stands in its place (EEXIST).
std::optional<ChangeError> MakeStage(FsOps& fs, StageDirectory& stage);

// Opens the stage directory of this path for what an earlier process left in it. ENOENT where there
// is none (any more).
int OpenStage(FsOps& fs, const AllowedRoots& roots, const std::string& path, StageDirectory* stage);

// Takes the stage directory of this path away, if it is there and empty.
void RemoveStageIfEmpty(FsOps& fs, const AllowedRoots& roots, const std::string& path);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_STAGE_DIRECTORY_H_
