#ifndef SLUICE_PIPELINE_STAGES_PLAN_H_
#define SLUICE_PIPELINE_STAGES_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/fs/file.h"
#include "pipeline/stages/keep_rules.h"
#include "pipeline/stages/known_content.h"

namespace sluice {

enum class Action : std::uint8_t { kHardlink, kReflink, kSymlink, kRemove };

struct PlanCopy {
  FileEntry file;
  std::uint32_t scan_index = 0;
  std::optional<std::string> shares_storage_with;  // Path bytes of an earlier copy, same inode.
  bool is_protected = false;
};

// A group of identical files, or a part of one: see sluice.v1.ReconciliationPlan, whose terms these
// are. The digest and, if it is set, within_scan tell a plan from all others of its job, in every
// run of that job.
struct Plan {
  Digest digest;
  // With ReconcileOptions::within_scan, the index of the scan that all copies are from.
  std::optional<std::uint32_t> within_scan;
  std::uint64_t size = 0;
  std::vector<PlanCopy> copies;
  FileEntry source_of_truth;
  KeepRule::Criterion deciding_criterion = KeepRule::Criterion::kPathOrder;
  std::string deciding_pattern;
  std::string reason;
  Action action = Action::kHardlink;
  std::uint64_t recoverable_bytes = 0;
  std::uint32_t part = 1;
  bool last_part = true;
  std::uint64_t total_copies = 0;
  std::uint64_t total_recoverable_bytes = 0;
};

// Whether a copy is the source of truth, which stays.
inline bool IsKept(const PlanCopy& copy, const Plan& plan) {
  return copy.file.path == plan.source_of_truth.path;
}

// Copies in one part of a plan.
inline constexpr std::size_t kMaxCopiesPerPart = 256;
// Bytes of paths in one part of a plan (one path may exceed it by itself).
inline constexpr std::size_t kMaxPathBytesPerPart = 256 * 1024;

// All candidates below this position are decided, and all that is to be said of them was yielded
// before: a reconciliation of the same candidates may begin here.
struct ReconcileCheckpoint {
  std::uint64_t position = 0;

  bool operator==(const ReconcileCheckpoint&) const = default;
};

// KnownContents: what was found out since the last ones, whether or not it led to a plan.
using ReconcileItem = std::variant<Plan, ItemError, KnownContents, ReconcileCheckpoint>;

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_PLAN_H_
