#include "server/jobs/reconcile_job.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"
#include "pipeline/stages/reconcile.h"
#include "server/jobs/job.h"
#include "server/jobs/job_id.h"
#include "server/jobs/scan_job.h"

namespace sluice {
namespace {

constexpr int kMaxScans = 100;
constexpr int kMaxKeepRules = 32;
// Plans, checkpoints and contents come in turn: some hundred of them are what a transaction costs.
constexpr std::size_t kEventsPerTransaction = 256;

std::string_view StageOf(const v1::JobSpec& /*spec*/, const PipelineCounters& /*counters*/) {
  return "group";
}

std::vector<std::string> InputsOf(const v1::JobSpec& spec) {
  std::vector<std::string> jobs;
  for (const std::string& scan : spec.reconcile().scans()) {
    if (auto id = IdFromName(scan, "scans")) jobs.push_back(*std::move(id));
  }
  if (auto id = IdFromName(spec.reconcile().base_job(), "jobs")) jobs.push_back(*std::move(id));
  return jobs;
}

void CheckScans(const v1::ReconcileSpec& spec, FieldViolations& violations) {
  if (spec.scans().empty()) {
    violations.Add("spec.reconcile.scans", "at least one scan is needed, as \"scans/{id}\"");
  }
  if (spec.scans_size() > kMaxScans) {
    violations.Add("spec.reconcile.scans", absl::StrCat("at most ", kMaxScans, " are taken"));
    return;
  }
  std::set<std::string> seen;
  for (int i = 0; i < spec.scans_size(); ++i) {
    std::string field = absl::StrCat("spec.reconcile.scans[", i, "]");
    if (!IdFromName(spec.scans(i), "scans")) {
      violations.Add(std::move(field), "must be \"scans/{id}\"");
    } else if (!seen.insert(spec.scans(i)).second) {
      violations.Add(std::move(field), "is named twice");
    }
  }
}

void CheckKeepRules(const v1::ReconcileSpec& spec, FieldViolations& violations) {
  if (spec.keep_size() > kMaxKeepRules) {
    violations.Add("spec.reconcile.keep", absl::StrCat("at most ", kMaxKeepRules, " are taken"));
    return;
  }
  for (int i = 0; i < spec.keep_size(); ++i) {
    const v1::KeepRule& rule = spec.keep(i);
    const std::string field = absl::StrCat("spec.reconcile.keep[", i, "]");
    if (!FromProto(rule.criterion())) {
      violations.Add(field + ".criterion", "must be a known Criterion");
    } else if (rule.criterion() == v1::KeepRule::CRITERION_PATH_GLOB) {
      const absl::Status compiled = GlobSet::Compile({rule.pattern()}).status();
      if (!compiled.ok()) violations.Add(field + ".pattern", std::string(compiled.message()));
    } else if (!rule.pattern().empty()) {
      violations.Add(field + ".pattern", "belongs to CRITERION_PATH_GLOB only");
    }
  }
}

void CheckFields(const v1::JobSpec& job_spec, FieldViolations& violations) {
  const v1::ReconcileSpec& spec = job_spec.reconcile();
  CheckScans(spec, violations);
  if (spec.has_min_size() && spec.has_max_size() && spec.min_size() > spec.max_size()) {
    violations.Add("spec.reconcile.min_size", "must not be greater than max_size");
  }
  if (!v1::ReconcileSpec::Scope_IsValid(spec.scope())) {
    violations.Add("spec.reconcile.scope", "must be a known Scope");
  }
  if (spec.has_min_copies() && spec.min_copies() < 2) {
    violations.Add("spec.reconcile.min_copies", "must be at least 2");
  }
  CheckKeepRules(spec, violations);
  CheckGlobs(spec.protect(), "spec.reconcile.protect", violations);
  if (!FromProto(spec.action())) {
    violations.Add("spec.reconcile.action", "must be a known Action");
  }
  if (!v1::ReconcileSpec::Order_IsValid(spec.order())) {
    violations.Add("spec.reconcile.order", "must be a known Order");
  }
  if (!FromProto(spec.digest_algorithm())) {
    violations.Add("spec.reconcile.digest_algorithm", "must be a known DigestAlgorithm");
  }
  if (!spec.base_job().empty() && !IdFromName(spec.base_job(), "jobs")) {
    violations.Add("spec.reconcile.base_job", "must be \"jobs/{id}\" of a reconcile job");
  }
  CheckReadThreads(spec.read_threads(), "spec.reconcile.read_threads", violations);
}

absl::Status CheckBaseJob(const std::string& name, Catalog& catalog) {
  if (name.empty()) return absl::OkStatus();
  const absl::StatusOr<JobRecord> record = catalog.GetJob(*IdFromName(name, "jobs"));
  if (absl::IsNotFound(record.status())) return NotFoundError("job", name);
  if (!record.ok()) return CatalogError(record.status());
  const absl::StatusOr<v1::Job> job = ParseJob(*record);
  if (!job.ok()) return job.status();
  if (!job->spec().has_reconcile()) {
    return PreconditionError(
        "BASE_JOB_OF_ANOTHER_KIND", name,
        absl::StrCat("spec.reconcile.base_job: ", name, " is no reconcile job"));
  }
  if (!record->ended()) {
    return PreconditionError("BASE_JOB_NOT_ENDED", name,
                             absl::StrCat("spec.reconcile.base_job: ", name, " has not ended"));
  }
  return absl::OkStatus();
}

absl::Status CheckWorld(const v1::JobSpec& spec, const JobEnvironment& environment) {
  for (const std::string& scan : spec.reconcile().scans()) {
    absl::StatusOr<v1::Job> job = ReadScanJob(scan, environment.catalog);
    if (!job.ok()) return job.status();
    if (job->state() != v1::JOB_STATE_SUCCEEDED) {
      return PreconditionError(
          "SCAN_NOT_COMPLETE", scan,
          absl::StrCat(scan, " is not complete: its job has ",
                       IsFinal(job->state()) ? "failed or was cancelled" : "not ended"));
    }
    if (absl::Status kept = CheckScanIsKept(scan, *job); !kept.ok()) return kept;
  }
  return CheckBaseJob(spec.reconcile().base_job(), environment.catalog);
}

std::vector<KeepRule> KeepRulesOf(const v1::ReconcileSpec& spec) {
  std::vector<KeepRule> rules;
  for (const v1::KeepRule& rule : spec.keep()) {
    KeepRule result{
        .criterion = *FromProto(rule.criterion()), .glob = {}, .pattern = rule.pattern()};
    if (!rule.pattern().empty()) result.glob = *GlobSet::Compile({rule.pattern()});
    rules.push_back(std::move(result));
  }
  return rules;
}

ReconcileOptions OptionsOf(const v1::ReconcileSpec& spec, Catalog& catalog) {
  ReconcileOptions options;
  for (const std::string& scan : spec.scans()) {
    const v1::Job job = ValueOrThrow(ReadScanJob(scan, catalog));
    options.scans.push_back({.name = scan, .roots = ScanRoots(job.spec().scan())});
  }
  if (spec.has_min_copies()) options.min_copies = spec.min_copies();
  options.across_devices_only = spec.scope() == v1::ReconcileSpec::SCOPE_ACROSS_VOLUMES;
  options.within_scan = spec.scope() == v1::ReconcileSpec::SCOPE_WITHIN_SCAN;
  options.keep = KeepRulesOf(spec);
  options.protect = CompileGlobs(spec.protect());
  options.action = *FromProto(spec.action());
  options.order = spec.order() == v1::ReconcileSpec::ORDER_LARGEST_FIRST
                      ? ReconcileOptions::Order::kLargestFirst
                      : ReconcileOptions::Order::kByPotential;
  options.digest_algorithm = *FromProto(spec.digest_algorithm());
  options.concurrency = ReadThreads(spec.read_threads());
  return options;
}

// Adds what the job found out, if it has begun. One that is gone knows nothing.
void AddKnown(const std::string& id, Catalog& catalog, CandidateQuery& query) {
  const absl::StatusOr<JobRecord> record = catalog.GetJob(id);
  if (absl::IsNotFound(record.status())) return;
  ThrowIfError(record.status());
  const v1::Job job = ValueOrThrow(ParseJob(*record));
  if (job.has_start_time()) query.known.push_back({id, TrustedBefore(job)});
}

CandidateQuery QueryOf(const JobRun& run, Catalog& catalog) {
  const v1::ReconcileSpec& spec = run.spec.reconcile();
  CandidateQuery query;
  for (const std::string& scan : spec.scans()) query.scans.push_back(*IdFromName(scan, "scans"));
  query.scope = spec.scope() == v1::ReconcileSpec::SCOPE_WITHIN_SCAN
                    ? CandidateQuery::Scope::kWithinScan
                    : CandidateQuery::Scope::kAcrossScans;
  if (spec.has_min_size()) query.min_size = spec.min_size();
  if (spec.has_max_size()) query.max_size = spec.max_size();
  if (!spec.base_job().empty()) AddKnown(*IdFromName(spec.base_job(), "jobs"), catalog, query);
  AddKnown(run.job_id, catalog, query);  // Of earlier runs, if there were any.
  return query;
}

// A checkpoint is the decimal position in the list of candidates.
JobItem ToJobItem(ReconcileItem item) {
  if (const auto* checkpoint = std::get_if<ReconcileCheckpoint>(&item)) {
    return JobCheckpoint{.state = absl::StrCat(checkpoint->position)};
  }
  if (auto* error = std::get_if<ItemError>(&item)) return std::move(*error);
  if (auto* contents = std::get_if<KnownContents>(&item)) return std::move(*contents);
  return std::get<Plan>(std::move(item));
}

AsyncGenerator<JobItem> Start(const JobRun& run, const JobEnvironment& environment) {
  const v1::ReconcileSpec& spec = run.spec.reconcile();
  ReconcileOptions options = OptionsOf(spec, environment.catalog);
  if (!run.checkpoint.empty() && !absl::SimpleAtoi(run.checkpoint, &options.start_position)) {
    throw StatusError(absl::DataLossError("the job's checkpoint cannot be read"));
  }
  std::shared_ptr<CandidateList> candidates = ValueOrThrow(environment.catalog.OpenCandidates(
      QueryOf(run, environment.catalog), run.scope.stop_token()));
  auto items = Reconcile(std::move(options), {.candidates = std::move(candidates),
                                              .digester = environment.digester,
                                              .scope = run.scope,
                                              .counters = run.counters,
                                              .spool_directory = environment.spool_directory});
  while (auto item = co_await items.Next()) co_yield ToJobItem(*std::move(item));
}

}  // namespace

JobKind ReconcileJobKind() {
  return {.name = "reconcile",
          .spec_case = v1::JobSpec::kReconcile,
          .events_per_transaction = kEventsPerTransaction,
          .stage = StageOf,
          .inputs = InputsOf,
          .check_fields = CheckFields,
          .check_world = CheckWorld,
          .start = Start};
}

}  // namespace sluice
