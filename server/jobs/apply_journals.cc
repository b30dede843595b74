#include "server/jobs/apply_journals.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "pipeline/stages/apply/apply.h"
#include "server/jobs/convert.h"
#include "server/jobs/errors.h"
#include "server/jobs/job_id.h"

namespace sluice {
namespace {

constexpr std::string_view kExtension = ".journal";
constexpr std::chrono::nanoseconds kDefaultUndoWindow = std::chrono::hours(7 * 24);

// Whether a change that the journal holds was made. One that cannot be read may hold some.
bool HasApplied(const std::string& path) {
  absl::StatusOr<ApplyJournal::Reader> reader = ApplyJournal::Reader::Open(path);
  if (!reader.ok()) return !absl::IsNotFound(reader.status());
  while (true) {
    const auto record = reader->Next();
    if (!record.ok()) return true;
    if (!*record) return false;
    const auto* done = std::get_if<ChangeDone>(&**record);
    if (done != nullptr && done->outcome.result == ApplyOutcome::Result::kApplied) return true;
  }
}

// With what a client can do about it.
absl::Status Described(const absl::Status& status, const std::string& job_id) {
  if (absl::IsUnavailable(status)) {
    return MakeError(status.code(), "JOURNAL_UNAVAILABLE",
                     absl::StrCat("jobs/", job_id, ": ", status.message(),
                                  "; when that is mended it can be tried again, or else the "
                                  "journal of the job be removed by hand"),
                     {{"job", absl::StrCat("jobs/", job_id)}});
  }
  if (absl::IsDataLoss(status)) {
    return MakeError(status.code(), "JOURNAL_DAMAGED",
                     absl::StrCat("jobs/", job_id, ": ", status.message(),
                                  "; what it did cannot be undone, and deleting the job with "
                                  "discard_undo removes the journal"),
                     {{"job", absl::StrCat("jobs/", job_id)}});
  }
  return status;
}

}  // namespace

bool IsDryRun(const v1::ApplySpec& spec) { return !spec.has_dry_run() || spec.dry_run(); }

std::int64_t UndoWindow(const v1::ApplySpec& spec) {
  return spec.has_undo_window() ? FromDuration(spec.undo_window()) : kDefaultUndoWindow.count();
}

std::string ApplyJournals::PathOf(const std::string& job_id) const {
  return absl::StrCat(directory_, "/", job_id, std::string(kExtension));
}

bool ApplyJournals::Exists(const std::string& job_id) const {
  std::error_code error;
  // One that cannot be looked at is there.
  return std::filesystem::exists(PathOf(job_id), error) || error;
}

absl::StatusOr<std::vector<std::string>> ApplyJournals::List() const {
  std::vector<std::string> ids;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string id = entry->path().stem().string();
    if (entry->path().extension() == kExtension && IsUuid(id)) ids.push_back(std::move(id));
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("the directory of the journals cannot be read: ", error.message()));
  }
  return ids;
}

absl::Status ApplyJournals::Recover(const std::string& job_id) const {
  return Described(RecoverJournal(fs_, roots_, PathOf(job_id)), job_id);
}

void ApplyJournals::RecoverAll() const {
  const absl::StatusOr<std::vector<std::string>> ids = List();
  if (!ids.ok()) return report_(ids.status().ToString());
  for (const std::string& id : *ids) ReportNew(id, Recover(id));
}

absl::Status ApplyJournals::Discard(const std::string& job_id, IfDamaged if_damaged) const {
  const std::string path = PathOf(job_id);
  if (!Exists(job_id)) return absl::OkStatus();
  // Else nobody would know any more of what a change has left half-way.
  absl::Status status = Recover(job_id);
  if (status.ok() || absl::IsDataLoss(status)) {
    status = Described(DiscardKept(fs_, roots_, path), job_id);
  }
  const bool gives_up = absl::IsDataLoss(status) && if_damaged == IfDamaged::kRemove;
  if (!status.ok() && !gives_up) return status;
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the journal of jobs/", job_id, " cannot be removed: ",
                                             std::generic_category().message(errno)));
}

void ApplyJournals::ReportNew(const std::string& job_id, const absl::Status& status) const {
  const std::string text = status.ok() ? "" : status.ToString();
  {
    std::lock_guard lock(mutex_);
    if (status.ok()) {
      reported_.erase(job_id);
      return;
    }
    if (std::exchange(reported_[job_id], text) == text) return;
  }
  report_(absl::StrCat("the journal of jobs/", job_id, ": ", text));
}

// What a job did, and was stopped before it could tell, is in its journal only.
bool ApplyJournals::HoldsChange(const v1::Job& job) const {
  const std::optional<std::string> id = IdFromName(job.name(), "jobs");
  if (!id) return false;
  if (job.counters().changes() > 0) return Exists(*id);
  return job.state() != v1::JOB_STATE_SUCCEEDED && HasApplied(PathOf(*id));
}

std::optional<std::int64_t> ApplyJournals::UndoableUntil(const v1::Job& job,
                                                         std::int64_t now_ns) const {
  const v1::ApplySpec& spec = job.spec().apply();
  if (!job.spec().has_apply() || IsDryRun(spec) || !spec.undo_of().empty()) return std::nullopt;
  if (!job.has_end_time()) return std::nullopt;
  const std::int64_t until = FromTimestamp(job.end_time()) + UndoWindow(spec);
  if (until <= now_ns || !HoldsChange(job)) return std::nullopt;
  return until;
}

void ApplyJournals::ShowUndo(v1::Job& job, std::int64_t now_ns) const {
  if (const auto until = UndoableUntil(job, now_ns)) {
    *job.mutable_undo_expire_time() = ToTimestamp(*until);
  }
}

}  // namespace sluice
