#ifndef SLUICE_PIPELINE_STAGES_LARGE_CLASS_H_
#define SLUICE_PIPELINE_STAGES_LARGE_CLASS_H_

#include <cstddef>

#include "pipeline/async/async_generator.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"

namespace sluice {

// What comes of a large class is at most so many chunks, of kDigestChunkItems inodes or
// kDigestChunkBytes, ahead of who asks for it. That stops the last stage, which reads whole files;
// those before it, which read their ends, go on to the end of the class: a spool takes what they
// find.
inline constexpr std::size_t kLargeClassChunksAhead = 128;

// Decides the next classes, up to one that is small, each of any number of inodes in bounded
// memory. Yields its groups that make plans, what is known of inodes and the names that failed, and
// at its end that it is decided.
//
// Each stage reads one part of all files that are undecided, in chunks beside each other, and
// regroups them through a spool. Order: groups by content. All of a class is read before its first
// group; while its groups are handed on, the class after it is read, as far as the bound above lets
// it.
// REQUIRES: the last Peek was a class that is not small.
// Lifetime: `classes` outlives it.
AsyncGenerator<GroupItem> LargeClassGroups(SizeClassReader* classes, ReconcileContextPtr context);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_LARGE_CLASS_H_
