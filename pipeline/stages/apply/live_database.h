#ifndef SLUICE_PIPELINE_STAGES_APPLY_LIVE_DATABASE_H_
#define SLUICE_PIPELINE_STAGES_APPLY_LIVE_DATABASE_H_

#include "pipeline/fs/fs_ops.h"
#include "pipeline/stages/apply/pinned_file.h"

namespace sluice {

// Whether a file is part of a SQLite database that is, or may be, in use: it has a write-ahead log,
// a rollback journal or shared memory beside it, or is one. Those are found by the database's name,
// so that a second name for it, or a link in its place, leads to a database without its newest
// changes (https://www.sqlite.org/howtocorrupt.html, 2.5 and 2.6).
bool IsLiveDatabase(FsOps& fs, const PinnedFile& file);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_LIVE_DATABASE_H_
