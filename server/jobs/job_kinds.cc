#include <algorithm>
#include <array>
#include <thread>

#include "absl/strings/str_cat.h"

#include "server/jobs/apply_job.h"
#include "server/jobs/job_kind.h"
#include "server/jobs/reconcile_job.h"
#include "server/jobs/scan_job.h"

namespace sluice {

std::span<const JobKind> JobKinds() {
  static const std::array kinds = {ScanJobKind(), ReconcileJobKind(), ApplyJobKind()};
  return kinds;
}

const JobKind* FindJobKind(const v1::JobSpec& spec) {
  const auto kinds = JobKinds();
  const auto found = std::ranges::find(kinds, spec.kind_case(), &JobKind::spec_case);
  return found == kinds.end() ? nullptr : &*found;
}

void CheckReadThreads(std::uint32_t read_threads, std::string field, FieldViolations& violations) {
  if (read_threads > kMaxReadThreads) {
    violations.Add(std::move(field), absl::StrCat("must be at most ", kMaxReadThreads));
  }
}

std::size_t ReadThreads(std::uint32_t requested) {
  return requested != 0 ? requested : std::max(1U, std::thread::hardware_concurrency());
}

void CheckGlobs(const google::protobuf::RepeatedPtrField<std::string>& globs,
                const std::string& field, FieldViolations& violations) {
  if (globs.size() > kMaxGlobs) {
    violations.Add(field, absl::StrCat("must hold at most ", kMaxGlobs, " globs"));
    return;
  }
  for (int i = 0; i < globs.size(); ++i) {
    const absl::Status compiled = GlobSet::Compile({globs[i]}).status();
    if (!compiled.ok()) {
      violations.Add(absl::StrCat(field, "[", i, "]"), std::string(compiled.message()));
    }
  }
}

GlobSet CompileGlobs(const google::protobuf::RepeatedPtrField<std::string>& globs) {
  return *GlobSet::Compile({globs.begin(), globs.end()});
}

}  // namespace sluice
