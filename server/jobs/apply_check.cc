#include "server/jobs/apply_check.h"

#include <cstdint>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "server/jobs/apply_journals.h"
#include "server/jobs/convert_outcome.h"
#include "server/jobs/convert_plan.h"
#include "server/jobs/job.h"
#include "server/jobs/job_id.h"

namespace sluice {
namespace {

constexpr int kMaxPlans = 1000;
constexpr std::int64_t kMaxUndoSeconds = 10LL * 366 * 24 * 3600;
constexpr std::int32_t kNanosPerSecond = 1'000'000'000;
// Plans read from the catalog at a time.
constexpr std::size_t kPage = 64;

// ---- Fields

void CheckPlans(const v1::ApplySpec& spec, FieldViolations& violations) {
  if (spec.plans_size() > kMaxPlans) {
    violations.Add("spec.apply.plans", absl::StrCat("at most ", kMaxPlans, " are taken"));
    return;
  }
  std::optional<std::string> job;
  std::set<std::string_view> seen;
  for (int i = 0; i < spec.plans_size(); ++i) {
    std::string field = absl::StrCat("spec.apply.plans[", i, "]");
    const std::optional<std::string> of = JobIdOfPlan(spec.plans(i));
    if (!of) {
      violations.Add(std::move(field), "must be \"plans/{id}\", as a plan is named");
      continue;
    }
    if (!job) job = of;
    if (of != job) {
      violations.Add(std::move(field), absl::StrCat("must be a plan of jobs/", *job,
                                                    ", as those before: all are of one job"));
    } else if (!seen.insert(spec.plans(i)).second) {
      violations.Add(std::move(field), "is named twice");
    }
  }
}

// What is to be carried out, or undone.
void CheckWhat(const v1::ApplySpec& spec, FieldViolations& violations) {
  const int given = static_cast<int>(!spec.reconcile_job().empty()) +
                    static_cast<int>(!spec.plans().empty()) +
                    static_cast<int>(!spec.undo_of().empty());
  if (given != 1) {
    violations.Add("spec.apply", "exactly one of reconcile_job, plans and undo_of is needed");
  }
  if (!spec.reconcile_job().empty() && !IdFromName(spec.reconcile_job(), "jobs")) {
    violations.Add("spec.apply.reconcile_job", "must be \"jobs/{id}\" of a reconcile job");
  }
  CheckPlans(spec, violations);
  if (spec.undo_of().empty()) return;
  if (!IdFromName(spec.undo_of(), "jobs")) {
    violations.Add("spec.apply.undo_of", "must be \"jobs/{id}\" of an apply job");
  }
  if (spec.action() != v1::ACTION_UNSPECIFIED) {
    violations.Add("spec.apply.action", "must be unset with undo_of: what was done is undone");
  }
  if (!spec.reconcile_etag().empty()) {
    violations.Add("spec.apply.reconcile_etag", "must be unset with undo_of");
  }
}

bool IsWithinTenYears(const google::protobuf::Duration& window) {
  return window.seconds() >= 0 && window.seconds() < kMaxUndoSeconds && window.nanos() >= 0 &&
         window.nanos() < kNanosPerSecond;
}

// ---- World

absl::StatusOr<v1::Job> ReadJob(const std::string& id, Catalog& catalog) {
  const absl::StatusOr<JobRecord> record = catalog.GetJob(id);
  if (absl::IsNotFound(record.status())) return NotFoundError("job", absl::StrCat("jobs/", id));
  if (!record.ok()) return CatalogError(record.status());
  return ParseJob(*record);
}

absl::Status CheckReconcileJob(const v1::Job& job, const v1::ApplySpec& spec) {
  const std::string& name = job.name();
  const char* field = spec.plans().empty() ? "spec.apply.reconcile_job: " : "spec.apply.plans: ";
  if (!job.spec().has_reconcile()) {
    return PreconditionError("JOB_OF_ANOTHER_KIND", name,
                             absl::StrCat(field, name, " is no reconcile job"));
  }
  if (job.state() != v1::JOB_STATE_SUCCEEDED) {
    return PreconditionError(
        "RECONCILE_JOB_NOT_COMPLETE", name,
        absl::StrCat(field, name, " is not complete: it has ",
                     IsFinal(job.state()) ? "failed or was cancelled" : "not ended"));
  }
  if (job.oldest_sequence() > 1) {
    return PreconditionError("PLANS_EXPIRED", name,
                             absl::StrCat(field, "the plans of ", name, " are not kept any more"));
  }
  if (!spec.reconcile_etag().empty() && spec.reconcile_etag() != job.etag()) {
    return MakeError(absl::StatusCode::kAborted, "PLANS_CHANGED",
                     absl::StrCat("spec.apply.reconcile_etag: ", name,
                                  " has changed since its plans were reviewed; review them again"),
                     {{"etag", job.etag()}});
  }
  const auto algorithm = FromProto(job.spec().reconcile().digest_algorithm());
  if (spec.verify() == v1::ApplySpec::VERIFY_DIGEST && algorithm == DigestAlgorithm::kXxh3_128) {
    return PreconditionError(
        "DIGEST_NOT_CRYPTOGRAPHIC", name,
        absl::StrCat("spec.apply.verify: the plans of ", name,
                     " have XXH3 digests, which VERIFY_DIGEST does not trust; use VERIFY_BYTES"));
  }
  return absl::OkStatus();
}

absl::Status CheckPlansExist(const v1::ApplySpec& spec, const std::string& job, Catalog& catalog) {
  std::set<std::string> missing(spec.plans().begin(), spec.plans().end());
  for (std::uint64_t next = 1; !missing.empty();) {
    const auto page = catalog.ReadPayloads(job, next, v1::JobEvent::kPlan, kPage);
    if (!page.ok()) return CatalogError(page.status());
    if (page->empty()) break;
    for (const EventRecord& record : *page) {
      missing.erase(NameOfPlan(std::get<EventPayload>(record.event).payload));
    }
    next = page->back().sequence + 1;
  }
  for (const std::string& plan : spec.plans()) {
    if (missing.contains(plan)) return NotFoundError("plan", plan);
  }
  return absl::OkStatus();
}

// Of a job that is to be undone.
absl::Status CheckUndone(const v1::Job& job, const JobEnvironment& environment) {
  const std::string& name = job.name();
  const auto refuse = [&](std::string_view type, std::string_view why) {
    return PreconditionError(type, name,
                             absl::StrCat("spec.apply.undo_of: ", name, " ", std::string(why)));
  };
  const v1::ApplySpec& undone = job.spec().apply();
  if (!job.spec().has_apply()) return refuse("JOB_OF_ANOTHER_KIND", "is no apply job");
  if (!undone.undo_of().empty()) return refuse("UNDO_OF_UNDO", "is an undo itself");
  if (IsDryRun(undone)) return refuse("UNDO_OF_DRY_RUN", "was a dry run, which changed nothing");
  if (!job.has_end_time()) return refuse("APPLY_JOB_NOT_ENDED", "has not ended");
  const std::int64_t now_ns = environment.clock.UnixNanos();
  if (environment.journals.UndoableUntil(job, now_ns)) return absl::OkStatus();
  if (FromTimestamp(job.end_time()) + UndoWindow(undone) > now_ns) {
    return refuse("NOTHING_TO_UNDO", "has changed nothing");
  }
  return refuse("UNDO_WINDOW_CLOSED", "cannot be undone any more: its undo window has ended");
}

}  // namespace

void CheckApplyFields(const v1::ApplySpec& spec, FieldViolations& violations) {
  CheckWhat(spec, violations);
  if (!FromProto(spec.action())) violations.Add("spec.apply.action", "must be a known Action");
  if (!FromProto(spec.verify())) violations.Add("spec.apply.verify", "must be a known Verify");
  if (!FromProto(spec.metadata())) {
    violations.Add("spec.apply.metadata", "must be a known MetadataPolicy");
  }
  if (spec.has_max_changes() && spec.max_changes() == 0) {
    violations.Add("spec.apply.max_changes", "must be at least 1");
  }
  if (spec.has_undo_window() && !IsWithinTenYears(spec.undo_window())) {
    violations.Add("spec.apply.undo_window", "must be 0 to 10 years");
  }
}

absl::Status CheckApplyWorld(const v1::ApplySpec& spec, const JobEnvironment& environment) {
  const std::string id = *InputOfApply(spec);
  const absl::StatusOr<v1::Job> job = ReadJob(id, environment.catalog);
  if (absl::IsNotFound(job.status()) && !spec.plans().empty()) {
    return NotFoundError("plan", spec.plans(0));
  }
  if (!job.ok()) return job.status();
  if (!spec.undo_of().empty()) return CheckUndone(*job, environment);
  if (absl::Status status = CheckReconcileJob(*job, spec); !status.ok()) return status;
  return CheckPlansExist(spec, id, environment.catalog);
}

absl::Status CheckApplyBeside(const v1::ApplySpec& spec, const v1::Job& unended) {
  const v1::ApplySpec& other = unended.spec().apply();
  const bool is_same = !spec.undo_of().empty() && spec.undo_of() == other.undo_of();
  if (!is_same || IsDryRun(spec) || IsDryRun(other)) return absl::OkStatus();
  return PreconditionError(
      "ALREADY_BEING_UNDONE", spec.undo_of(),
      absl::StrCat("spec.apply.undo_of: ", spec.undo_of(), " is being undone by ", unended.name(),
                   ", which has not ended"),
      {{"job", unended.name()}});
}

std::optional<std::string> InputOfApply(const v1::ApplySpec& spec) {
  if (!spec.plans().empty()) return JobIdOfPlan(spec.plans(0));
  return IdFromName(spec.undo_of().empty() ? spec.reconcile_job() : spec.undo_of(), "jobs");
}

}  // namespace sluice
