#include "server/jobs/job_table.h"

#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"
#include "server/jobs/job_id.h"

namespace sluice {
namespace {

// Records read from the catalog at a time.
constexpr std::size_t kPage = 50;

}  // namespace

void JobTable::Forget() {
  if (held_.size() < forget_at_) return;
  std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
  forget_at_ = 2 * held_.size() + 64;
}

void JobTable::Add(const std::shared_ptr<Job>& job) {
  std::lock_guard lock(mutex_);
  Forget();
  held_[job->id()] = job;
}

void JobTable::Remove(const std::string& id) {
  std::lock_guard lock(mutex_);
  held_.erase(id);
}

std::shared_ptr<Job> JobTable::FindHeld(const std::string& id) {
  std::lock_guard lock(mutex_);
  const auto found = held_.find(id);
  return found == held_.end() ? nullptr : found->second.lock();
}

absl::StatusOr<std::shared_ptr<Job>> JobTable::Find(const std::string& id) {
  if (auto job = FindHeld(id)) return job;
  std::lock_guard reading(reading_);
  if (auto job = FindHeld(id)) return job;
  const absl::StatusOr<JobRecord> record = environment_.catalog.GetJob(id);
  if (absl::IsNotFound(record.status())) return NotFoundError("job", absl::StrCat("jobs/", id));
  if (!record.ok()) return CatalogError(record.status());
  const absl::StatusOr<v1::Job> stored = ParseJob(*record);
  if (!stored.ok()) return stored.status();
  auto job = std::make_shared<Job>(*stored, *record, environment_, clock_);
  Add(job);
  return job;
}

absl::StatusOr<std::shared_ptr<Job>> JobTable::FindByName(const std::string& name) {
  if (name.empty()) return FieldError("name", "is required, as \"jobs/{id}\"");
  const std::optional<std::string> id = IdFromName(name, "jobs");
  if (!id) return NotFoundError("job", absl::CHexEscape(name));
  return Find(*id);
}

absl::Status JobTable::ForEach(const std::string& before_id, const std::string& kind,
                               const Visit& visit) {
  std::string before = before_id;
  while (true) {
    const auto records = environment_.catalog.ListJobs(before, kind, kPage);
    if (!records.ok()) return CatalogError(records.status());
    for (const JobRecord& record : *records) {
      const std::shared_ptr<Job> held = FindHeld(record.id);
      absl::StatusOr<v1::Job> job = held ? held->Snapshot() : ParseJob(record);
      if (!job.ok()) return job.status();
      if (!held) environment_.journals.ShowUndo(*job, clock_.UnixNanos());
      if (!visit(*job, record.id)) return absl::OkStatus();
    }
    if (records->size() < kPage) return absl::OkStatus();
    before = records->back().id;
  }
}

}  // namespace sluice
