#include "server/jobs/job_manager.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

#include "pipeline/fs/hasher.h"
#include "server/jobs/errors.h"
#include "server/jobs/job_filter.h"
#include "server/jobs/job_runner.h"
#include "server/jobs/scan_job.h"

namespace sluice {
namespace {

constexpr std::uint32_t kDefaultWindow = 1024;
constexpr std::uint32_t kMaxWindow = 65'536;
constexpr int kMaxLabels = 64;
constexpr std::size_t kMaxLabelKey = 63;
constexpr std::size_t kMaxLabelValue = 255;
// Records read from the catalog at a time while a list is filtered.
constexpr std::size_t kListPage = 100;

// The same for equal specs: maps are serialized in order.
std::string HashOf(const v1::JobSpec& spec) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    spec.SerializeToCodedStream(&coded);
  }
  const std::unique_ptr<Hasher> hasher = MakeHasher(DigestAlgorithm::kSha256);
  hasher->Update({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return DigestText(hasher->Finish());
}

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
    violations.Add("spec", "must hold one of: scan, reconcile");
  } else {
    kind->check_fields(spec, violations);
  }
  CheckLabels(spec, violations);
  if (!v1::Pacing_IsValid(spec.pacing())) violations.Add("spec.pacing", "must be a known Pacing");
  if (spec.window() > kMaxWindow) {
    violations.Add("spec.window", absl::StrCat("must be 1 to ", kMaxWindow));
  }
  return violations.ToStatus();
}

}  // namespace

JobManager::JobManager(const JobEnvironment& environment, JobLimits limits, Executor& executor,
                       Clock& clock, Report report)
    : environment_(environment),
      limits_(limits),
      executor_(executor),
      clock_(clock),
      report_(std::move(report)),
      scope_(executor) {}

absl::Status JobManager::RecoverInterrupted() {
  absl::StatusOr<std::vector<JobRecord>> records = environment_.catalog.ListUnendedJobs();
  if (!records.ok()) return CatalogError(records.status());
  for (const JobRecord& record : *records) {
    absl::StatusOr<std::shared_ptr<Job>> job = FromRecord(record);
    if (!job.ok()) return job.status();
    (*job)->Interrupt();
    const absl::Status ended = (*job)->Finish(absl::CancelledError());
    if (!ended.ok()) return CatalogError(ended);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobSpec> JobManager::Check(v1::JobSpec spec, v1::Pacing default_pacing) const {
  if (absl::Status status = CheckFields(spec); !status.ok()) return status;
  if (absl::Status status = FindJobKind(spec)->check_world(spec, environment_); !status.ok()) {
    return status;
  }
  if (spec.pacing() == v1::PACING_UNSPECIFIED) spec.set_pacing(default_pacing);
  if (spec.window() == 0) spec.set_window(kDefaultWindow);
  return spec;
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::Start(v1::JobSpec spec,
                                                       const std::string& request_id) {
  RequestKey request;
  if (!request_id.empty()) {
    if (!IsUuid(request_id)) return FieldError("request_id", "must be a UUID");
    request = {.id = request_id, .hash = HashOf(spec)};
    auto earlier = FindByRequest(request);
    if (!absl::IsNotFound(earlier.status())) return earlier;
  }
  auto job = std::make_shared<Job>(ids_.Next(clock_.UnixNanos()), std::move(spec), request,
                                   environment_, clock_);
  if (absl::Status status = Register(job); !status.ok()) return status;
  if (absl::Status status = environment_.catalog.CreateJob(job->ToRecord()); !status.ok()) {
    Forget(job->id());
    // Somebody else was first with the same request.
    if (absl::IsAlreadyExists(status) && !request.id.empty()) return FindByRequest(request);
    return CatalogError(status);
  }
  scope_.Spawn(Run(job));
  return job;
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::FindByRequest(const RequestKey& request) {
  absl::StatusOr<JobRecord> record = environment_.catalog.FindJobByRequestId(request.id);
  if (absl::IsNotFound(record.status())) return record.status();
  if (!record.ok()) return CatalogError(record.status());
  if (record->request_hash != request.hash) {
    return MakeError(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                     absl::StrCat("request_id was used for another request, by jobs/", record->id),
                     {{"job", absl::StrCat("jobs/", record->id)}});
  }
  return FindById(record->id);
}

absl::Status JobManager::Register(const std::shared_ptr<Job>& job) {
  std::lock_guard lock(mutex_);
  // Looked at under the lock: Drain stops what is registered, and nothing is registered after it.
  if (takes_no_more_) return DrainingError();
  if (live_.size() >= limits_.max_running_jobs) {
    return QuotaError("max_running_jobs",
                      absl::StrCat(live_.size(), " jobs are running, which is the limit"));
  }
  live_.emplace(job->id(), job);
  return absl::OkStatus();
}

void JobManager::Forget(const std::string& id) {
  std::lock_guard lock(mutex_);
  live_.erase(id);
}

Task<> JobManager::Run(std::shared_ptr<Job> job) {
  const absl::Status stored = co_await RunToEnd(job, environment_, executor_, clock_);
  if (!stored.ok()) {
    report_(absl::StrCat("jobs/", job->id(), ": its end could not be stored: ", stored.ToString()));
  }
  Forget(job->id());
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::FindById(const std::string& id) {
  {
    std::lock_guard lock(mutex_);
    if (const auto live = live_.find(id); live != live_.end()) return live->second;
  }
  absl::StatusOr<JobRecord> record = environment_.catalog.GetJob(id);
  if (absl::IsNotFound(record.status())) return NotFoundError("job", absl::StrCat("jobs/", id));
  if (!record.ok()) return CatalogError(record.status());
  absl::StatusOr<std::shared_ptr<Job>> job = FromRecord(*record);
  if (job.ok() && !record->ended) {
    // Not running, and yet not ended: its end could not be stored when it came. It can be now, or
    // is at least known to those who ask.
    (*job)->Interrupt();
    (void)(*job)->Finish(absl::CancelledError());
  }
  return job;
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::FromRecord(const JobRecord& record) {
  v1::Job job;
  if (!job.ParseFromString(record.record) || FindJobKind(job.spec()) == nullptr) {
    return MakeError(absl::StatusCode::kDataLoss, "JOB_DAMAGED",
                     absl::StrCat("the record of jobs/", record.id, " cannot be read"));
  }
  return std::make_shared<Job>(job, record, environment_, clock_);
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::Find(const std::string& name) {
  const std::optional<std::string> id = IdFromName(name, "jobs");
  if (name.empty()) return FieldError("name", "is required, as \"jobs/{id}\"");
  if (!id) return NotFoundError("job", absl::CHexEscape(name));
  return FindById(*id);
}

absl::StatusOr<v1::Job> JobManager::Cancel(const std::string& name) {
  absl::StatusOr<std::shared_ptr<Job>> job = Find(name);
  if (!job.ok()) return job.status();
  (*job)->RequestCancel();
  return (*job)->Snapshot();
}

absl::Status JobManager::ForEachJob(
    const std::string& before_id, const std::string& kind,
    const std::function<bool(const v1::Job&, const std::string&)>& visit) {
  std::string before = before_id;
  while (true) {
    auto records = environment_.catalog.ListJobs(before, kind, kListPage);
    if (!records.ok()) return CatalogError(records.status());
    for (const JobRecord& record : *records) {
      absl::StatusOr<std::shared_ptr<Job>> job = FindById(record.id);
      if (absl::IsNotFound(job.status())) continue;
      if (!job.ok()) return job.status();
      if (!visit((*job)->Snapshot(), record.id)) return absl::OkStatus();
    }
    if (records->size() < kListPage) return absl::OkStatus();
    before = records->back().id;
  }
}

absl::StatusOr<JobManager::JobPage> JobManager::List(int page_size, const std::string& page_token,
                                                     const std::string& filter_text) {
  const absl::StatusOr<std::size_t> limit = PageSize(page_size);
  if (!limit.ok()) return limit.status();
  const absl::StatusOr<JobFilter> filter = JobFilter::Parse(filter_text);
  if (!filter.ok()) return filter.status();
  const std::string list = absl::StrCat("jobs ", filter_text);
  const absl::StatusOr<std::string> before = ParsePageToken(page_token, list);
  if (!before.ok()) return before.status();

  JobPage page;
  std::string last_id;
  absl::Status status =
      ForEachJob(*before, filter->kind(), [&](const v1::Job& job, const std::string& id) {
        if (!filter->Matches(job)) return true;
        if (page.jobs.size() == *limit) {
          page.next_page_token = MakePageToken(last_id, list);
          return false;
        }
        page.jobs.push_back(job);
        last_id = id;
        return true;
      });
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<v1::Scan> JobManager::GetScan(const std::string& name) {
  if (name.empty()) return FieldError("name", "is required, as \"scans/{id}\"");
  const std::optional<std::string> id = IdFromName(name, "scans");
  if (!id) return NotFoundError("scan", absl::CHexEscape(name));
  absl::StatusOr<std::shared_ptr<Job>> job = FindById(*id);
  if (absl::IsNotFound(job.status())) return NotFoundError("scan", name);
  if (!job.ok()) return job.status();
  if (!(*job)->spec().has_scan()) return NotFoundError("scan", name);
  return ScanOfJob((*job)->Snapshot(), environment_.host);
}

absl::StatusOr<JobManager::ScanPage> JobManager::ListScans(int page_size,
                                                           const std::string& page_token) {
  // A scan is a scan job, seen from its result.
  absl::StatusOr<JobPage> jobs = List(page_size, page_token, "kind=scan");
  if (!jobs.ok()) return jobs.status();
  ScanPage page;
  for (const v1::Job& job : jobs->jobs) page.scans.push_back(ScanOfJob(job, environment_.host));
  page.next_page_token = std::move(jobs->next_page_token);
  return page;
}

void JobManager::Drain() {
  std::vector<std::shared_ptr<Job>> jobs;
  {
    std::lock_guard lock(mutex_);
    takes_no_more_ = true;
    for (const auto& [id, job] : live_) jobs.push_back(job);
  }
  // Before the streams hear of it: a RunJob stream that ends cancels its job, and this is no
  // cancel.
  for (const std::shared_ptr<Job>& job : jobs) job->Interrupt();
  draining_.request_stop();
}

Task<> JobManager::Join() { co_await scope_.Join(); }

}  // namespace sluice
