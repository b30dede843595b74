#include "server/jobs/scan_job.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/path_text.h"
#include "pipeline/stages/digest.h"
#include "pipeline/stages/enumerate.h"
#include "pipeline/stages/recorded_digests.h"
#include "server/jobs/job.h"
#include "server/jobs/job_id.h"

namespace sluice {
namespace {

constexpr int kMaxRoots = 1000;
// A few ms of a warm walk. Measured: half the hand-offs between threads that 256 take. A paced job
// is stored in parts of its window: see job_runner.cc.
constexpr std::size_t kEventsPerTransaction = 1024;
// Each may hold buffers of as many levels as it keeps open, 1 MiB.
constexpr std::size_t kMaxWalkers = 8;
constexpr std::uint32_t kMinWindowOfWalkers = 2048;

std::string_view StageOf(const v1::JobSpec& spec, const PipelineCounters& counters) {
  switch (spec.scan().digest_policy()) {
    case v1::DIGEST_POLICY_ALL:
      return "digest";
    case v1::DIGEST_POLICY_CANDIDATES:
      // Nothing is read before all sizes are known.
      return counters.enumerated_all.load(std::memory_order_relaxed) ? "digest" : "enumerate";
    default:
      return "enumerate";
  }
}

std::vector<std::string> InputsOf(const v1::JobSpec& spec) {
  const std::optional<std::string> base = IdFromName(spec.scan().base_scan(), "scans");
  return base ? std::vector{*base} : std::vector<std::string>();
}

// Calls fn(bytes, field) for each root of the spec.
template <typename Fn>
void ForEachRoot(const v1::ScanSpec& spec, Fn fn) {
  for (int i = 0; i < spec.roots_size(); ++i) {
    fn(spec.roots(i), absl::StrCat("spec.scan.roots[", i, "]"));
  }
  for (int i = 0; i < spec.raw_roots_size(); ++i) {
    fn(spec.raw_roots(i), absl::StrCat("spec.scan.raw_roots[", i, "]"));
  }
}

void CheckRoots(const v1::ScanSpec& spec, FieldViolations& violations) {
  const int count = spec.roots_size() + spec.raw_roots_size();
  if (count == 0) violations.Add("spec.scan.roots", "at least one absolute path is needed");
  if (count > kMaxRoots) {
    violations.Add("spec.scan.roots", absl::StrCat("at most ", kMaxRoots, " roots are taken"));
    return;
  }
  std::vector<std::string> seen;
  ForEachRoot(spec, [&](const std::string& root, std::string field) {
    const std::optional<std::string> path = NormalizePath(root);
    if (!path) {
      violations.Add(std::move(field), "must be an absolute path without a zero byte");
      return;
    }
    for (const std::string& other : seen) {
      if (!IsWithin(*path, other) && !IsWithin(other, *path)) continue;
      violations.Add(std::move(field), absl::StrCat("overlaps with the root ", PrintablePath(other),
                                                    "; no root may be or lie beneath another"));
      return;
    }
    seen.push_back(*path);
  });
}

void CheckTime(const google::protobuf::Timestamp& time, std::string field,
               FieldViolations& violations) {
  // The range of a Timestamp is larger than that of 64 bits of ns.
  constexpr std::int64_t kMaxSeconds = 9'223'372'036;
  constexpr std::int32_t kNanosPerSecond = 1'000'000'000;
  if (time.seconds() < -kMaxSeconds || time.seconds() >= kMaxSeconds || time.nanos() < 0 ||
      time.nanos() >= kNanosPerSecond) {
    violations.Add(std::move(field), "must lie between the years 1678 and 2262");
  }
}

bool Digests(const v1::ScanSpec& spec) {
  return spec.digest_policy() == v1::DIGEST_POLICY_ALL ||
         spec.digest_policy() == v1::DIGEST_POLICY_CANDIDATES;
}

void CheckBaseScan(const v1::ScanSpec& spec, FieldViolations& violations) {
  if (spec.base_scan().empty()) return;
  if (!IdFromName(spec.base_scan(), "scans")) {
    violations.Add("spec.scan.base_scan", "must be \"scans/{id}\"");
  } else if (!Digests(spec)) {
    violations.Add("spec.scan.base_scan", "needs a digest_policy that digests");
  }
}

void CheckFields(const v1::JobSpec& job_spec, FieldViolations& violations) {
  const v1::ScanSpec& spec = job_spec.scan();
  CheckRoots(spec, violations);
  CheckGlobs(spec.include(), "spec.scan.include", violations);
  CheckGlobs(spec.exclude(), "spec.scan.exclude", violations);
  if (spec.has_min_size() && spec.has_max_size() && spec.min_size() > spec.max_size()) {
    violations.Add("spec.scan.min_size", "must not be greater than max_size");
  }
  CheckTime(spec.modified_after(), "spec.scan.modified_after", violations);
  CheckTime(spec.modified_before(), "spec.scan.modified_before", violations);
  if (spec.has_modified_after() && spec.has_modified_before() &&
      FromTimestamp(spec.modified_after()) >= FromTimestamp(spec.modified_before())) {
    violations.Add("spec.scan.modified_after", "must be before modified_before");
  }
  if (spec.has_max_depth() && spec.max_depth() == 0) {
    violations.Add("spec.scan.max_depth", "must be at least 1");
  }
  for (int i = 0; i < spec.types_size(); ++i) {
    if (!FromProto(spec.types(i))) {
      violations.Add(absl::StrCat("spec.scan.types[", i, "]"), "must be a known FileType");
    }
  }
  if (!v1::DigestPolicy_IsValid(spec.digest_policy())) {
    violations.Add("spec.scan.digest_policy", "must be a known DigestPolicy");
  }
  if (!FromProto(spec.digest_algorithm())) {
    violations.Add("spec.scan.digest_algorithm", "must be a known DigestAlgorithm");
  }
  CheckBaseScan(spec, violations);
  CheckReadThreads(spec.read_threads(), "spec.scan.read_threads", violations);
}

absl::Status CheckRoot(const std::string& path, const std::string& field,
                       const JobEnvironment& environment) {
  const std::string shown = PrintablePath(path);
  // Before anything is looked up: a refusal says nothing about what exists.
  if (!environment.roots.Allows(path)) {
    return MakeError(absl::StatusCode::kPermissionDenied, "ROOT_NOT_ALLOWED",
                     absl::StrCat(field, ": ", shown, " is not within the allowed roots"));
  }
  const auto opened = environment.roots.OpenPath(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  switch (opened.error_number) {
    case 0:
      return absl::OkStatus();
    case ENOENT:
      return NotFoundError("root", shown);
    case ENOTDIR:
    case ELOOP:
      return PreconditionError(
          "ROOT_NOT_A_DIRECTORY", shown,
          absl::StrCat(field, ": ", shown,
                       " is not a directory, or leads through a symbolic link"));
    case EXDEV:
      return MakeError(absl::StatusCode::kPermissionDenied, "ROOT_NOT_ALLOWED",
                       absl::StrCat(field, ": ", shown, " is not within the allowed roots"));
    default:
      return PreconditionError("ROOT_NOT_READABLE", shown,
                               absl::StrCat(field, ": ", shown, ": ",
                                            std::generic_category().message(opened.error_number)));
  }
}

absl::Status CheckBase(const v1::ScanSpec& spec, Catalog& catalog) {
  const std::string& base = spec.base_scan();
  if (base.empty()) return absl::OkStatus();
  const absl::StatusOr<v1::Job> job = ReadScanJob(base, catalog);
  if (!job.ok()) return job.status();
  if (!job->has_end_time()) {
    return PreconditionError(
        "SCAN_NOT_COMPLETE", base,
        absl::StrCat("spec.scan.base_scan: the job of ", base, " has not ended"));
  }
  const v1::ScanSpec& base_spec = job->spec().scan();
  if (!Digests(base_spec) ||
      FromProto(base_spec.digest_algorithm()) != FromProto(spec.digest_algorithm())) {
    return PreconditionError(
        "SCAN_WITHOUT_DIGESTS", base,
        absl::StrCat("spec.scan.base_scan: ", base, " has not recorded digests of this algorithm"));
  }
  return CheckScanIsKept(base, *job);
}

absl::Status CheckWorld(const v1::JobSpec& job_spec, const JobEnvironment& environment) {
  absl::Status status = CheckBase(job_spec.scan(), environment.catalog);
  ForEachRoot(job_spec.scan(), [&](const std::string& root, const std::string& field) {
    if (status.ok()) status = CheckRoot(*NormalizePath(root), field, environment);
  });
  return status;
}

EnumerateOptions OptionsOf(const v1::ScanSpec& spec) {
  EnumerateOptions options;
  options.roots = ScanRoots(spec);
  options.include = CompileGlobs(spec.include());
  options.exclude = CompileGlobs(spec.exclude());
  if (spec.has_min_size()) options.min_size = spec.min_size();
  if (spec.has_max_size()) options.max_size = spec.max_size();
  if (spec.has_modified_after()) options.modified_after_ns = FromTimestamp(spec.modified_after());
  if (spec.has_modified_before()) {
    options.modified_before_ns = FromTimestamp(spec.modified_before());
  }
  options.skip_hidden = spec.skip_hidden();
  options.one_file_system = spec.one_file_system();
  if (spec.has_max_depth()) options.max_depth = spec.max_depth();
  for (const int type : spec.types()) {
    options.types.push_back(*FromProto(static_cast<v1::FileType>(type)));
  }
  options.report_skipped = spec.report_skipped();
  return options;
}

AsyncGenerator<ScanItem> Digested(AsyncGenerator<ScanItem> items, const v1::ScanSpec& spec,
                                  const JobRun& run, const JobEnvironment& environment,
                                  const RecordedDigests* base) {
  const DigestDeps deps = {.digester = environment.digester,
                           .scope = run.scope,
                           .counters = run.counters,
                           .recorded = run.recorded,
                           .base = base};
  const DigestAlgorithm algorithm = *FromProto(spec.digest_algorithm());
  const std::size_t threads = ReadThreads(spec.read_threads());
  switch (spec.digest_policy()) {
    case v1::DIGEST_POLICY_ALL:
      return DigestAll(std::move(items), algorithm, threads, deps);
    case v1::DIGEST_POLICY_CANDIDATES:
      return DigestCandidates(std::move(items), algorithm, threads, environment.spool_directory,
                              deps);
    default:
      return NotYetRecorded(std::move(items), run.recorded);
  }
}

// Several find more than they are asked for, which a small window does not allow.
std::size_t Walkers(const v1::JobSpec& spec) {
  const bool is_paced = spec.pacing() != v1::PACING_FREE_RUNNING;
  if (is_paced && spec.window() < kMinWindowOfWalkers) return 1;
  return std::min(ReadThreads(spec.scan().read_threads()), kMaxWalkers);
}

// What the base scan has digested and may be trusted.
Task<RecordedDigests> ReadBase(const std::string& scan, const JobRun& run,
                               const JobEnvironment& environment) {
  constexpr std::size_t kPage = 1024;
  Executor& executor = run.scope.executor();
  const v1::Job job = ValueOrThrow(ReadScanJob(scan, environment.catalog));
  const std::string id = *IdFromName(scan, "scans");
  const std::int64_t trusted_before = TrustedBefore(job);
  RecordedDigests::Builder digests(*FromProto(run.spec.scan().digest_algorithm()), trusted_before,
                                   environment.spool_directory, run.scope.stop_token());
  for (std::uint64_t next = 1;;) {
    const auto page = ValueOrThrow(environment.catalog.ReadFiles(id, next, {}, kPage));
    if (page.empty()) break;
    for (const EventRecord& record : page) digests.Add(std::get<FileEntry>(record.event));
    next = page.back().sequence + 1;
    ThrowIfStopRequested(run.scope.stop_token());
    co_await digests.Merge(executor);
    co_await executor.YieldIfBusy();
  }
  co_return co_await digests.Finish(executor);
}

AsyncGenerator<JobItem> Start(const JobRun& run, const JobEnvironment& environment) {
  const v1::ScanSpec& spec = run.spec.scan();
  std::optional<RecordedDigests> base;
  if (!spec.base_scan().empty()) {
    base.emplace(co_await ReadBase(spec.base_scan(), run, environment));
  }
  auto files = EnumerateTree(OptionsOf(spec),
                             {.roots = environment.roots,
                              .counters = run.counters,
                              .stop = run.scope.stop_token(),
                              .protected_directories = environment.protected_directories},
                             run.scope, Walkers(run.spec));
  auto items = Digested(std::move(files), spec, run, environment, base ? &*base : nullptr);
  while (auto item = co_await items.Next()) {
    co_yield std::visit([](auto& value) { return JobItem(std::move(value)); }, *item);
  }
}

v1::Scan::State StateOf(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_SUCCEEDED:
      return v1::Scan::STATE_COMPLETE;
    case v1::JOB_STATE_FAILED:
    case v1::JOB_STATE_CANCELLED:
      return v1::Scan::STATE_INCOMPLETE;
    default:
      return v1::Scan::STATE_RUNNING;
  }
}

}  // namespace

JobKind ScanJobKind() {
  return {.name = "scan",
          .spec_case = v1::JobSpec::kScan,
          .events_per_transaction = kEventsPerTransaction,
          .stage = StageOf,
          .inputs = InputsOf,
          .check_fields = CheckFields,
          .check_world = CheckWorld,
          .start = Start};
}

absl::StatusOr<v1::Job> ReadScanJob(const std::string& scan, Catalog& catalog) {
  absl::StatusOr<JobRecord> record = catalog.GetJob(*IdFromName(scan, "scans"));
  if (absl::IsNotFound(record.status())) return NotFoundError("scan", scan);
  if (!record.ok()) return CatalogError(record.status());
  absl::StatusOr<v1::Job> job = ParseJob(*record);
  if (job.ok() && !job->spec().has_scan()) return NotFoundError("scan", scan);
  return job;
}

absl::Status CheckScanIsKept(const std::string& scan, const v1::Job& job) {
  if (job.oldest_sequence() <= 1) return absl::OkStatus();
  return PreconditionError("SCAN_EXPIRED", scan,
                           absl::StrCat("the files of ", scan, " are not kept any more"));
}

std::int64_t TrustedBefore(const v1::Job& job) {
  constexpr std::int64_t kMargin = 2'000'000'000;
  return FromTimestamp(job.start_time()) - kMargin;
}

std::vector<std::string> ScanRoots(const v1::ScanSpec& spec) {
  std::vector<std::string> roots;
  ForEachRoot(spec, [&](const std::string& root, const std::string&) {
    roots.push_back(*NormalizePath(root));
  });
  return roots;
}

v1::Scan ScanOfJob(const v1::Job& job, const std::string& host) {
  v1::Scan scan;
  scan.set_name(job.scan());
  scan.set_job(job.name());
  *scan.mutable_spec() = job.spec().scan();
  const bool expired = job.oldest_sequence() > 1;
  scan.set_state(expired ? v1::Scan::STATE_EXPIRED : StateOf(job.state()));
  *scan.mutable_create_time() = job.create_time();
  if (job.has_end_time()) *scan.mutable_end_time() = job.end_time();
  scan.set_file_count(job.counters().items());
  scan.set_total_bytes(job.counters().total_bytes());
  scan.set_error_count(job.counters().errors());
  scan.set_host(host);
  return scan;
}

}  // namespace sluice
