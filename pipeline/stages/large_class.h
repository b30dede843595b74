#ifndef SLUICE_PIPELINE_STAGES_LARGE_CLASS_H_
#define SLUICE_PIPELINE_STAGES_LARGE_CLASS_H_

#include "pipeline/async/async_generator.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"

namespace sluice {

// Decides a class of any number of inodes in bounded memory, and yields its groups that make plans,
// the names that failed, and at its end that it is decided.
//
// Each stage reads one part of all files that are undecided, in chunks beside each other, and
// regroups them through a spool. Order: groups by content. Reads the whole class before the first
// group, and nothing of the next class.
AsyncGenerator<GroupItem> LargeClassGroups(SizeClass size_class, ReconcileContextPtr context);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_LARGE_CLASS_H_
