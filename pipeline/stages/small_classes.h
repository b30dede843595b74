#ifndef SLUICE_PIPELINE_STAGES_SMALL_CLASSES_H_
#define SLUICE_PIPELINE_STAGES_SMALL_CLASSES_H_

#include "pipeline/async/async_generator.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"

namespace sluice {

// Decides small classes up to the next one that is not small (or the end), and yields their groups
// that make plans, the names that failed, and after each batch how far that is.
//
// Batches of classes are decided beside each other, each by one thread from its first prefix to the
// last check of a name: to hand a class of two files from thread to thread would cost more than to
// read it. Order: that of the classes. Bound: at most `concurrency` batches ahead of the consumer.
// Lifetime: `classes` outlives the generator.
AsyncGenerator<GroupItem> SmallClassGroups(SizeClassReader* classes, ReconcileContextPtr context);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_SMALL_CLASSES_H_
