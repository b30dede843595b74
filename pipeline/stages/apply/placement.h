#ifndef SLUICE_PIPELINE_STAGES_APPLY_PLACEMENT_H_
#define SLUICE_PIPELINE_STAGES_APPLY_PLACEMENT_H_

#include <functional>
#include <optional>
#include <string>

#include "pipeline/fs/fs_ops.h"
#include "pipeline/stages/apply/pinned_file.h"
#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {

// Putting one object in another's place
// =====================================
//
// The new object has been made in the stage directory. Its name and the one to be changed are
// exchanged (RENAME_EXCHANGE), in one step, so that the path is never missing; what came out is
// then in the stage directory, where nobody else can touch it, and is looked at:
//
//   1. It is the file that was compared: the change is made, and the caller drops it when the
//      exchange is durable.
//   2. It is anything else, put there by somebody in the moment before. The names are exchanged
//      back. Nothing is ever unlinked that was not verified: what cannot be put back, since its
//      place was taken once more, stays in the stage directory under the name "rescued-…", and the
//      failure says so.
struct Placement {
  const PinnedName& at;         // The path to be changed.
  const StageDirectory& stage;  // Where the new object is ...
  const std::string& name;      // ... and its name there.
  InodeId ours;  // The new object. The caller holds it open: its number is not given to another.
};

// nullopt: it is in place, and the old object is at stage/name. Else nothing has changed, and the
// new object is gone. `is_old` is asked about what came out.
std::optional<ChangeError> PutInPlace(FsOps& fs, const Placement& placement,
                                      const std::function<bool(const FileStat&)>& is_old);

// From a state where ours may be in place and another object at stage/name: that object gets its
// place back, and ours goes. nullopt: done, stage/name is gone.
std::optional<ChangeError> TakeBack(FsOps& fs, const Placement& placement);

// Unlinks stage/name if it is `expected`. 0 or errno; ENOENT where it is not there, EEXIST where it
// is something else.
int UnlinkVerified(FsOps& fs, const StageDirectory& stage, const std::string& name,
                   InodeId expected);

// Whether something is, or may be, at stage/name: a change that left it there has not ended.
bool IsStaged(FsOps& fs, const StageDirectory& stage, const std::string& name);

// Keeps what is at stage/name for a person to look at.
ChangeError Rescue(FsOps& fs, const StageDirectory& stage, const std::string& name, int cause);

// What a failed call that changes a name means.
ChangeError ErrorOfChange(std::string operation, int error_number);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_PLACEMENT_H_
