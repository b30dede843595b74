#ifndef SLUICE_PIPELINE_STAGES_APPLY_CHANGE_H_
#define SLUICE_PIPELINE_STAGES_APPLY_CHANGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/fs/file_metadata.h"
#include "pipeline/fs/fs_ops.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/journal.h"
#include "pipeline/stages/apply/outcome.h"
#include "pipeline/stages/apply/pinned_file.h"
#include "pipeline/stages/apply/placement.h"
#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {

// The copy that stays, and that others are compared with.
struct KeptFile {
  PinnedFile file;
  FileMetadata metadata;
  std::uint64_t mount = 0;
  // Links that it will have when all that is prepared has been done.
  std::uint64_t links = 0;
  Lease lease;  // Released before `file` closes.
};

// One copy that was looked at, leased and compared, and is about to be changed.
struct PreparedChange {
  ChangeIntent intent;
  ApplyOutcome outcome;  // As it will be if all goes well.
  std::shared_ptr<KeptFile> kept;
  std::shared_ptr<StageDirectory> stage;  // Null for kReflink.
  PinnedFile old;
  Lease lease;  // On `old`.
};

// Changes the name, or the storage: what is called for by the action. nullopt: it is done, and the
// old object is at stage/stage_name (but for kReflink). Else the path is as it was.
//
// The order of steps, the whole of which is in change_batch.cc:
//    1. The directory is pinned by a descriptor, both files are open.  preparation.cc
//    2. Read leases on both: nobody has either open for writing, and whoever wants to breaks it.
//    3. Version, owner, metadata and bytes are compared.
//    4. The kept file and its directory are durable (fsync).
//    5. The intents of the batch are in the journal, durable (one fdatasync).
//    6. Here: the new object is made in the private stage directory, on the same mount.
//    7. RENAME_EXCHANGE.
//    8. What came out is the file that was compared, both leases hold, and the kept file still has
//       its name.
//    9. Otherwise it is exchanged back; nothing unverified is unlinked.
//   10. The directories are durable; the old name is unlinked, durably, and the journal told.
std::optional<ChangeError> CarryOut(FsOps& fs, PreparedChange& change);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_CHANGE_H_
