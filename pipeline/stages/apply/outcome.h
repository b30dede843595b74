#ifndef SLUICE_PIPELINE_STAGES_APPLY_OUTCOME_H_
#define SLUICE_PIPELINE_STAGES_APPLY_OUTCOME_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/fs/file.h"
#include "pipeline/fs/file_metadata.h"
#include "pipeline/stages/plan.h"

namespace sluice {

// Where a change stands in the work of a job: the event of the reconcile job that holds the plan
// (part), and the copy within it. Of an undo, the position of what is undone. Rises along the job.
struct ApplyPosition {
  std::uint64_t plan_sequence = 0;
  std::uint32_t copy = 0;

  auto operator<=>(const ApplyPosition&) const = default;
};

// As sluice.v1.ApplyOutcome.SkipReason, whose comments say when.
enum class SkipReason : std::uint8_t {
  kChanged,
  kVanished,
  kBusy,
  kContentDiffers,
  kSourceUnavailable,
  kSameFile,
  kOtherFileSystem,
  kOwnerDiffers,
  kMetadataDiffers,
  kProtected,
  kLiveDatabase,
  kImmutable,
  kPrivileged,
  kLeasesUnsupported,
  kNotAllowed,
  kUnsupported,
  kReadOnly,
  kPermissionDenied,
  kType,
  kPathTaken,
  kKeptAsSource,
  kOtherHost,
};

// What became of one copy. One for each copy but the source of truth itself.
struct ApplyOutcome {
  enum class Result : std::uint8_t { kApplied, kWouldApply, kSkipped, kFailed };

  std::string plan;  // "plans/{id}".
  std::string path;  // Bytes.
  Action action = Action::kHardlink;
  bool undo = false;
  Result result = Result::kSkipped;
  std::optional<SkipReason> skip_reason = {};  // With kSkipped only.
  std::uint64_t recovered_bytes = 0;
  std::uint64_t pending_bytes = 0;
  std::vector<MetadataField> metadata_changes = {};
  std::string kept_path = {};             // Bytes.
  std::optional<ItemError> failure = {};  // With kFailed only.

  bool operator==(const ApplyOutcome&) const = default;
};

// Everything up to this position is decided, and its outcomes were yielded before.
struct ApplyCheckpoint {
  ApplyPosition position;

  bool operator==(const ApplyCheckpoint&) const = default;
};

using ApplyItem = std::variant<ApplyOutcome, ApplyCheckpoint>;

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_OUTCOME_H_
