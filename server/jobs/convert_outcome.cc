#include "server/jobs/convert_outcome.h"

#include <string>

#include "absl/strings/str_cat.h"

#include "pipeline/fs/path_text.h"
#include "server/jobs/convert.h"
#include "server/jobs/convert_parts.h"

namespace sluice {
namespace {

using Result = ApplyOutcome::Result;
using Verify = ApplyOptions::Verify;

constexpr EnumTable<Result, v1::ApplyOutcome::Result, 4> kResults = {{
    {Result::kApplied, v1::ApplyOutcome::RESULT_APPLIED},
    {Result::kWouldApply, v1::ApplyOutcome::RESULT_WOULD_APPLY},
    {Result::kSkipped, v1::ApplyOutcome::RESULT_SKIPPED},
    {Result::kFailed, v1::ApplyOutcome::RESULT_FAILED},
}};

constexpr EnumTable<SkipReason, v1::ApplyOutcome::SkipReason, 22> kSkipReasons = {{
    {SkipReason::kChanged, v1::ApplyOutcome::SKIP_REASON_CHANGED},
    {SkipReason::kVanished, v1::ApplyOutcome::SKIP_REASON_VANISHED},
    {SkipReason::kBusy, v1::ApplyOutcome::SKIP_REASON_BUSY},
    {SkipReason::kContentDiffers, v1::ApplyOutcome::SKIP_REASON_CONTENT_DIFFERS},
    {SkipReason::kSourceUnavailable, v1::ApplyOutcome::SKIP_REASON_SOURCE_UNAVAILABLE},
    {SkipReason::kSameFile, v1::ApplyOutcome::SKIP_REASON_SAME_FILE},
    {SkipReason::kOtherFileSystem, v1::ApplyOutcome::SKIP_REASON_OTHER_FILE_SYSTEM},
    {SkipReason::kOwnerDiffers, v1::ApplyOutcome::SKIP_REASON_OWNER_DIFFERS},
    {SkipReason::kMetadataDiffers, v1::ApplyOutcome::SKIP_REASON_METADATA_DIFFERS},
    {SkipReason::kProtected, v1::ApplyOutcome::SKIP_REASON_PROTECTED},
    {SkipReason::kLiveDatabase, v1::ApplyOutcome::SKIP_REASON_LIVE_DATABASE},
    {SkipReason::kImmutable, v1::ApplyOutcome::SKIP_REASON_IMMUTABLE},
    {SkipReason::kPrivileged, v1::ApplyOutcome::SKIP_REASON_PRIVILEGED},
    {SkipReason::kLeasesUnsupported, v1::ApplyOutcome::SKIP_REASON_LEASES_UNSUPPORTED},
    {SkipReason::kNotAllowed, v1::ApplyOutcome::SKIP_REASON_NOT_ALLOWED},
    {SkipReason::kUnsupported, v1::ApplyOutcome::SKIP_REASON_UNSUPPORTED},
    {SkipReason::kReadOnly, v1::ApplyOutcome::SKIP_REASON_READ_ONLY},
    {SkipReason::kPermissionDenied, v1::ApplyOutcome::SKIP_REASON_PERMISSION_DENIED},
    {SkipReason::kType, v1::ApplyOutcome::SKIP_REASON_TYPE},
    {SkipReason::kPathTaken, v1::ApplyOutcome::SKIP_REASON_PATH_TAKEN},
    {SkipReason::kKeptAsSource, v1::ApplyOutcome::SKIP_REASON_KEPT_AS_SOURCE},
    {SkipReason::kOtherHost, v1::ApplyOutcome::SKIP_REASON_OTHER_HOST},
}};

constexpr EnumTable<MetadataField, v1::ApplyOutcome::Metadata, 5> kMetadataFields = {{
    {MetadataField::kGroup, v1::ApplyOutcome::METADATA_GROUP},
    {MetadataField::kMode, v1::ApplyOutcome::METADATA_MODE},
    {MetadataField::kModifyTime, v1::ApplyOutcome::METADATA_MODIFY_TIME},
    {MetadataField::kAcl, v1::ApplyOutcome::METADATA_ACL},
    {MetadataField::kXattrs, v1::ApplyOutcome::METADATA_XATTRS},
}};

// Of values that ask for the same, the first row is the one that is answered with.
constexpr EnumTable<Verify, v1::ApplySpec::Verify, 3> kVerify = {{
    {Verify::kBytes, v1::ApplySpec::VERIFY_BYTES},
    {Verify::kBytes, v1::ApplySpec::VERIFY_UNSPECIFIED},
    {Verify::kDigest, v1::ApplySpec::VERIFY_DIGEST},
}};

constexpr EnumTable<MetadataPolicy, v1::ApplySpec::MetadataPolicy, 4> kMetadataPolicies = {{
    {MetadataPolicy::kRequireEqual, v1::ApplySpec::METADATA_POLICY_REQUIRE_EQUAL},
    {MetadataPolicy::kRequireEqual, v1::ApplySpec::METADATA_POLICY_UNSPECIFIED},
    {MetadataPolicy::kIgnoreTimes, v1::ApplySpec::METADATA_POLICY_IGNORE_TIMES},
    {MetadataPolicy::kTakeSource, v1::ApplySpec::METADATA_POLICY_TAKE_SOURCE},
}};

// An outcome has no field of its own for what was being done.
google::rpc::Status ErrorOf(const ItemError& failure) {
  if (failure.operation.empty()) return ToItemStatus(failure, failure.message);
  return ToItemStatus(failure, absl::StrCat(failure.operation, ": ", failure.message));
}

}  // namespace

void ToProto(const ApplyOutcome& outcome, v1::ApplyOutcome& message) {
  message.set_plan(outcome.plan);
  SetPath(outcome.path, message);
  message.set_action(ToProto(outcome.action));
  message.set_undo(outcome.undo);
  message.set_result(ToProto(kResults, outcome.result));
  if (outcome.skip_reason) message.set_skip_reason(ToProto(kSkipReasons, *outcome.skip_reason));
  message.set_recovered_bytes(outcome.recovered_bytes);
  message.set_pending_bytes(outcome.pending_bytes);
  for (const MetadataField field : outcome.metadata_changes) {
    message.add_metadata_changes(ToProto(kMetadataFields, field));
  }
  message.set_kept_path(PrintablePath(outcome.kept_path));
  if (outcome.failure) *message.mutable_error() = ErrorOf(*outcome.failure);
}

std::optional<ApplyOptions::Verify> FromProto(v1::ApplySpec::Verify verify) {
  return FromProto(kVerify, verify);
}

std::optional<MetadataPolicy> FromProto(v1::ApplySpec::MetadataPolicy policy) {
  return FromProto(kMetadataPolicies, policy);
}

}  // namespace sluice
