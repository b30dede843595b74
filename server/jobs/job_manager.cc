#include "server/jobs/job_manager.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"

#include "server/jobs/errors.h"
#include "server/jobs/job_runner.h"
#include "server/jobs/job_spec.h"

namespace sluice {
namespace {

// Records of unended jobs read from the catalog at a time.
constexpr std::size_t kPage = 50;

// Calls fn(record) for every job that has not ended, oldest first, until it fails.
template <typename Fn>
absl::Status ForEachUnended(Catalog& catalog, Fn fn) {
  std::string after;
  while (true) {
    const auto records = catalog.ListUnendedJobs(after, kPage);
    if (!records.ok()) return CatalogError(records.status());
    for (const JobRecord& record : *records) {
      if (absl::Status status = fn(record); !status.ok()) return status;
    }
    if (records->size() < kPage) return absl::OkStatus();
    after = records->back().id;
  }
}

}  // namespace

JobManager::JobManager(const JobEnvironment& environment, JobLimits limits, Executor& executor,
                       Clock& clock, Report report)
    : environment_(environment),
      limits_(limits),
      executor_(executor),
      clock_(clock),
      report_(std::move(report)),
      table_(environment, clock),
      scope_(executor) {}

absl::Status JobManager::Recover(ResumeJobs policy) {
  return ForEachUnended(environment_.catalog, [&](const JobRecord& record) -> absl::Status {
    const absl::StatusOr<std::shared_ptr<Job>> job = table_.Find(record.id);
    if (!job.ok()) return job.status();
    absl::Status status = (*job)->Recover(policy == ResumeJobs::kPaused);
    if (status.ok()) Settle(*job);
    return status;
  });
}

// ---- Starting

absl::Status JobManager::CheckBeside(const v1::JobSpec& spec) {
  const auto check_beside = FindJobKind(spec)->check_beside;
  if (check_beside == nullptr) return absl::OkStatus();
  return ForEachUnended(environment_.catalog, [&](const JobRecord& record) -> absl::Status {
    const absl::StatusOr<v1::Job> job = ParseJob(record);
    return job.ok() ? check_beside(spec, *job) : job.status();
  });
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::Start(v1::JobSpec spec,
                                                       const std::string& request_id) {
  std::unique_lock<std::mutex> alone;
  if (FindJobKind(spec)->check_beside != nullptr) alone = std::unique_lock(undoing_);
  RequestKey request;
  if (!request_id.empty()) {
    if (!IsUuid(request_id)) return FieldError("request_id", "must be a UUID");
    request = {.id = request_id, .hash = FingerprintOf(spec)};
    auto earlier = FindByRequest(request);
    if (!absl::IsNotFound(earlier.status())) return earlier;
  }
  if (absl::Status status = CheckBeside(spec); !status.ok()) return status;
  if (absl::Status status = Reserve(); !status.ok()) return status;
  auto job = Create(std::move(spec), request);
  GiveBack();
  return job;
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::Create(v1::JobSpec spec,
                                                        const RequestKey& request) {
  auto job = std::make_shared<Job>(ids_.Next(clock_.UnixNanos()), std::move(spec), request,
                                   environment_, clock_);
  table_.Add(job);
  if (absl::Status status = job->Create(); !status.ok()) {
    table_.Remove(job->id());
    // Somebody else was first with the same request.
    if (absl::IsAlreadyExists(status) && !request.id.empty()) return FindByRequest(request);
    return CatalogError(status);
  }
  Settle(job);
  return job;
}

absl::StatusOr<std::shared_ptr<Job>> JobManager::FindByRequest(const RequestKey& request) {
  const absl::StatusOr<JobRecord> record = environment_.catalog.FindJobByRequestId(request.id);
  if (absl::IsNotFound(record.status())) return record.status();
  if (!record.ok()) return CatalogError(record.status());
  if (record->request_hash != request.hash) {
    return MakeError(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                     absl::StrCat("request_id was used for another request, by jobs/", record->id),
                     {{"job", absl::StrCat("jobs/", record->id)}});
  }
  return table_.Find(record->id);
}

absl::Status JobManager::Reserve() {
  std::lock_guard lock(mutex_);
  if (drains_) return DrainingError();
  const std::size_t accepted = running_.size() + queue_.size() + reserved_;
  if (accepted >= limits_.max_running_jobs + limits_.max_queued_jobs) {
    return QuotaError("max_queued_jobs",
                      absl::StrCat(running_.size(), " jobs run and ", queue_.size(),
                                   " are queued, which are the limits"));
  }
  ++reserved_;
  return absl::OkStatus();
}

void JobManager::GiveBack() {
  std::lock_guard lock(mutex_);
  --reserved_;
}

void JobManager::Settle(const std::shared_ptr<Job>& job) {
  {
    std::lock_guard lock(mutex_);
    // Looked at under the lock: of two that settle a job, the later one sees what both did.
    const v1::JobState state = job->state();
    if (state != v1::JOB_STATE_QUEUED) {
      queue_.Remove(*job);
    } else if (!running_.contains(job->id())) {
      // Else it has its turn already, or had it: then the end of that run settles it.
      queue_.Insert(job);
    }
    if (state != v1::JOB_STATE_PAUSED) unstored_.erase(job->id());
  }
  StartWaiting();
}

void JobManager::StartWaiting() {
  std::lock_guard lock(mutex_);
  while (!drains_ && !queue_.empty() && running_.size() < limits_.max_running_jobs) {
    std::shared_ptr<Job> job = queue_.Pop();
    running_.emplace(job->id(), job);
    scope_.Spawn(Run(std::move(job)));
  }
}

Task<> JobManager::Run(std::shared_ptr<Job> job) {
  absl::Status stored;
  if (job->BeginRun()) stored = co_await RunJob(job, environment_, executor_, clock_);
  if (!stored.ok()) {
    report_(absl::StrCat("jobs/", job->id(), " could not store: ", stored.ToString()));
  }
  {
    std::lock_guard lock(mutex_);
    running_.erase(job->id());
    if (!stored.ok()) unstored_[job->id()] = job;
  }
  Settle(job);
}

// ---- Changing

absl::StatusOr<std::shared_ptr<Job>> JobManager::Find(const std::string& name) {
  return table_.FindByName(name);
}

absl::Status JobManager::Pause(const std::shared_ptr<Job>& job) {
  absl::Status status = job->Pause();
  Settle(job);
  return status;
}

absl::Status JobManager::Cancel(const std::shared_ptr<Job>& job) {
  absl::Status status = job->Cancel();
  Settle(job);
  return status;
}

absl::Status JobManager::Delete(const std::shared_ptr<Job>& job, IfUndoable if_undoable) {
  // Before the job, and so by the next try where this one comes no further.
  if (job->spec().has_apply() && IsFinal(job->state())) {
    const auto if_damaged = if_undoable == IfUndoable::kDiscard ? ApplyJournals::IfDamaged::kRemove
                                                                : ApplyJournals::IfDamaged::kFail;
    absl::Status status = environment_.journals.Discard(job->id(), if_damaged);
    if (!status.ok()) return status;
  }
  if (absl::Status status = job->Delete(); !status.ok()) return status;
  table_.Remove(job->id());
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> JobManager::Pause(const std::string& name) {
  const absl::StatusOr<std::shared_ptr<Job>> job = Find(name);
  if (!job.ok()) return job.status();
  if (absl::Status status = Pause(*job); !status.ok()) return status;
  return (*job)->Snapshot();
}

absl::StatusOr<v1::Job> JobManager::Cancel(const std::string& name) {
  const absl::StatusOr<std::shared_ptr<Job>> job = Find(name);
  if (!job.ok()) return job.status();
  if (absl::Status status = Cancel(*job); !status.ok()) return status;
  return (*job)->Snapshot();
}

absl::StatusOr<v1::Job> JobManager::Resume(const std::string& name) {
  const absl::StatusOr<std::shared_ptr<Job>> job = Find(name);
  if (!job.ok()) return job.status();
  absl::Status room = Reserve();
  // A job that need not be queued anew needs no room.
  if (!room.ok() && (*job)->state() == v1::JOB_STATE_PAUSED) return room;
  absl::Status status = (*job)->Resume();
  Settle(*job);
  if (room.ok()) GiveBack();
  if (!status.ok()) return status;
  return (*job)->Snapshot();
}

absl::StatusOr<v1::Job> JobManager::Delete(const std::string& name, IfUndoable if_undoable) {
  const absl::StatusOr<std::shared_ptr<Job>> job = Find(name);
  if (!job.ok()) return job.status();
  std::unique_lock<std::mutex> alone;
  if ((*job)->spec().has_apply()) alone = std::unique_lock(undoing_);
  const auto needed = NeededJobs();
  if (!needed.ok()) return needed.status();
  if (const auto found = needed->find((*job)->id()); found != needed->end()) {
    return PreconditionError(
        "IN_USE", name,
        absl::StrCat(name, " is needed by jobs/", found->second, ", which has not ended"));
  }
  v1::Job before = (*job)->Snapshot();
  if (before.has_undo_expire_time() && if_undoable == IfUndoable::kRefuse) {
    return PreconditionError(
        "UNDO_WINDOW_OPEN", name,
        absl::StrCat(name, " can be undone until ",
                     google::protobuf::util::TimeUtil::ToString(before.undo_expire_time()),
                     "; discard_undo gives that up"));
  }
  if (absl::Status status = Delete(*job, if_undoable); !status.ok()) return status;
  return before;
}

absl::StatusOr<std::map<std::string, std::string>> JobManager::NeededJobs() {
  std::map<std::string, std::string> needed;
  absl::Status status =
      ForEachUnended(environment_.catalog, [&](const JobRecord& record) -> absl::Status {
        const absl::StatusOr<v1::Job> job = ParseJob(record);
        if (!job.ok()) return job.status();
        for (std::string& id : FindJobKind(job->spec())->inputs(job->spec())) {
          needed.emplace(std::move(id), record.id);
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return needed;
}

void JobManager::Drain() {
  std::vector<std::shared_ptr<Job>> jobs;
  {
    std::lock_guard lock(mutex_);
    drains_ = true;
    for (const auto& [id, job] : running_) jobs.push_back(job);
  }
  // Before the streams hear of it: a RunJob stream that ends cancels its job, and this is no
  // cancel.
  for (const std::shared_ptr<Job>& job : jobs) job->Drain();
  draining_.request_stop();
}

}  // namespace sluice
