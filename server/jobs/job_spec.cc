#include "server/jobs/job_spec.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/fs/hasher.h"
#include "server/jobs/convert.h"
#include "server/jobs/errors.h"

namespace sluice {
namespace {

constexpr std::uint32_t kDefaultWindow = 1024;
constexpr std::uint32_t kMaxWindow = 65'536;
constexpr int kMaxPriority = 100;
// A page of jobs is in memory at a time.
constexpr std::size_t kMaxSpecBytes = 256 * 1024;
constexpr int kMaxLabels = 64;
constexpr std::size_t kMaxLabelKey = 63;
constexpr std::size_t kMaxLabelValue = 255;

void CheckLabels(const v1::JobSpec& spec, FieldViolations& violations) {
  if (spec.labels_size() > kMaxLabels) {
    violations.Add("spec.labels", absl::StrCat("at most ", kMaxLabels, " are taken"));
  }
  for (const auto& [key, value] : spec.labels()) {
    if (key.empty() || key.size() > kMaxLabelKey) {
      violations.Add("spec.labels", absl::StrCat("keys must have 1 to ", kMaxLabelKey,
                                                 " characters: \"", key, "\""));
    }
    if (value.size() > kMaxLabelValue) {
      violations.Add(absl::StrCat("spec.labels[\"", key, "\"]"),
                     absl::StrCat("must have at most ", kMaxLabelValue, " characters"));
    }
  }
}

absl::Status CheckFields(const v1::JobSpec& spec) {
  FieldViolations violations;
  const JobKind* kind = FindJobKind(spec);
  if (kind == nullptr) {
    violations.Add("spec", "must hold one of: scan, reconcile, apply");
  } else {
    kind->check_fields(spec, violations);
  }
  if (spec.ByteSizeLong() > kMaxSpecBytes) {
    violations.Add("spec", absl::StrCat("must be at most ", kMaxSpecBytes, " bytes"));
  }
  CheckLabels(spec, violations);
  if (!v1::Pacing_IsValid(spec.pacing())) violations.Add("spec.pacing", "must be a known Pacing");
  if (spec.priority() < -kMaxPriority || spec.priority() > kMaxPriority) {
    violations.Add("spec.priority", absl::StrCat("must be ", -kMaxPriority, " to ", kMaxPriority));
  }
  if (spec.window() > kMaxWindow) {
    violations.Add("spec.window", absl::StrCat("must be 1 to ", kMaxWindow));
  }
  return violations.ToStatus();
}

}  // namespace

absl::StatusOr<v1::JobSpec> CheckSpec(v1::JobSpec spec, v1::Pacing default_pacing,
                                      const JobEnvironment& environment) {
  if (absl::Status status = CheckFields(spec); !status.ok()) return status;
  if (absl::Status status = FindJobKind(spec)->check_world(spec, environment); !status.ok()) {
    return status;
  }
  if (spec.pacing() == v1::PACING_UNSPECIFIED) spec.set_pacing(default_pacing);
  if (spec.window() == 0) spec.set_window(kDefaultWindow);
  return spec;
}

std::string FingerprintOf(const v1::JobSpec& spec) {
  const std::string bytes = DeterministicBytes(spec);
  const std::unique_ptr<Hasher> hasher = MakeHasher(DigestAlgorithm::kSha256);
  hasher->Update({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return DigestText(hasher->Finish());
}

}  // namespace sluice
