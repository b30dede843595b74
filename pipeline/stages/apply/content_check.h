#ifndef SLUICE_PIPELINE_STAGES_APPLY_CONTENT_CHECK_H_
#define SLUICE_PIPELINE_STAGES_APPLY_CONTENT_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/fs_ops.h"
#include "pipeline/stages/apply/pinned_file.h"

namespace sluice {

// Files are read so many bytes at a time; after each, leases are looked at: one that is being
// broken keeps somebody waiting, and he waits no longer than such a part takes.
inline constexpr std::size_t kCheckSliceBytes = 1024 * 1024;

enum class ContentCheck : std::uint8_t { kSame, kDifferent, kLeaseBroken, kUnreadable };

struct CheckedContent {
  ContentCheck result = ContentCheck::kSame;
  int error_number = 0;  // With kUnreadable.
};

// nullopt for the same content.
std::optional<ChangeError> VerdictOf(const CheckedContent& checked);

// What a check of content works with. Lifetime: outlives the task.
struct ContentCheckDeps {
  FsOps& fs;
  Executor& executor;  // Gets its thread back between slices when somebody waits for one.
  std::stop_token stop;
};

// Compares `size` bytes, which are all that either has. Throws Cancelled.
Task<CheckedContent> CompareFiles(const PinnedFile& a, const Lease& lease_of_a, const PinnedFile& b,
                                  const Lease& lease_of_b, ContentCheckDeps deps);

// Digests a file of `file.stat.size` bytes and compares that with `expected`; on the way each slice
// is given to `copy_to` (null: nobody), which returns 0 or errno. Throws Cancelled.
using SliceSink = std::function<int(std::uint64_t offset, std::span<const std::uint8_t> bytes)>;
Task<CheckedContent> CheckDigest(const PinnedFile& file, const Lease& lease, Digest expected,
                                 SliceSink copy_to, ContentCheckDeps deps);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_CONTENT_CHECK_H_
