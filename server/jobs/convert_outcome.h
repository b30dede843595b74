#ifndef SLUICE_SERVER_JOBS_CONVERT_OUTCOME_H_
#define SLUICE_SERVER_JOBS_CONVERT_OUTCOME_H_

#include <optional>

#include "pipeline/stages/apply/apply.h"
#include "sluice/v1/apply.pb.h"

// What became of files that were to be changed, as messages, and what a client may ask for.
namespace sluice {

void ToProto(const ApplyOutcome& outcome, v1::ApplyOutcome& message);

// nullopt for a value that the contract does not know; UNSPECIFIED gives the default.
std::optional<ApplyOptions::Verify> FromProto(v1::ApplySpec::Verify verify);
std::optional<MetadataPolicy> FromProto(v1::ApplySpec::MetadataPolicy policy);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_CONVERT_OUTCOME_H_
