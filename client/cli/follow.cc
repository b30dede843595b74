#include "client/cli/follow.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "client/cli/apply_report.h"
#include "client/cli/format.h"
#include "client/cli/job_notes.h"
#include "client/cli/json.h"
#include "client/cli/report.h"
#include "client/cli/stats.h"
#include "client/error_details.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

// A terminal or a program that keeps up gains from fewer, larger rounds (a transaction, a message
// and the hand-offs of each), and one that does not still stops the job: by so many events later.
constexpr std::uint32_t kWindow = 4096;
constexpr std::uint32_t kBatchEvents = 1024;

// What was left as it is, is said where errors are.
void PrintOutcome(const v1::ApplyOutcome& outcome, Console& console) {
  const std::string text = OutcomeText(outcome, console);
  IsChange(outcome) ? console.Print(absl::StrCat(text, "\n")) : console.Note(text);
}

void PrintText(const v1::JobEvent& event, Files files, Console& console) {
  switch (event.event_case()) {
    case v1::JobEvent::kFile:
      if (files == Files::kPrint) console.Print(FileText(event.file()));
      break;
    case v1::JobEvent::kPlan:
      console.Print(PlanText(event.plan(), console));
      break;
    case v1::JobEvent::kSkipped:
      console.Note(SkippedText(event.skipped()));
      break;
    case v1::JobEvent::kError:
      console.Note(ItemErrorText(event.error()));
      break;
    case v1::JobEvent::kOutcome:
      PrintOutcome(event.outcome(), console);
      break;
    case v1::JobEvent::kStateChange:  // Its summary comes with the end of the stream.
    case v1::JobEvent::EVENT_NOT_SET:
      break;
  }
}

using Events = google::protobuf::RepeatedPtrField<v1::JobEvent>;

void PrintJson(Events events, Files files, Console& console) {
  if (files == Files::kCount) {
    const auto is_file = [](const v1::JobEvent& event) { return event.has_file(); };
    events.erase(std::remove_if(events.begin(), events.end(), is_file), events.end());
  }
  if (!events.empty()) console.Print(JsonLines(std::move(events)));
}

void PrintEvents(Events events, Files files, Console& console) {
  if (console.json()) {
    PrintJson(std::move(events), files, console);
  } else {
    for (const v1::JobEvent& event : events) PrintText(event, files, console);
  }
  console.Flush();
}

// Whether nothing moves until somebody, or another job, has done something.
bool StandsStill(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_QUEUED || job.state() == v1::JOB_STATE_PAUSED;
}

// One job as it is followed: prints what comes, and keeps what it came to.
class Follower final {
 public:
  Follower(Session session, Files files)
      : console_(*session.console), files_(files), notes_(std::move(session)) {}

  CallOptions call_options() { return notes_.call_options(); }

  void Take(v1::EventBatch batch) {
    notes_.OnAnswer();
    if (batch.has_job()) followed_.job = batch.job();
    next_sequence_ = batch.next_sequence();
    PrintEvents(std::move(*batch.mutable_events()), files_, console_);
    if (batch.has_job()) notes_.See(batch.job());
    ShowProgress(batch);
    if (!batch.has_end()) return;
    ended_ = batch.end().reason() == v1::StreamEnd::REASON_JOB_ENDED;
    followed_.summary = batch.end().summary();
  }

  // Says what became of the job, once the stream has ended. Errors: UNAVAILABLE where it has not.
  const FollowedJob& Finish() {
    console_.ClearProgress();
    if (!ended_) throw CutShort("the stream ended");
    if (followed_.summary.state() != v1::JOB_STATE_SUCCEEDED) console_.Note(FailureText(job()));
    return followed_;
  }

  // The error of a stream that ended before its job: says how to go on.
  StatusError CutShort(absl::string_view why) const {
    return StatusError(absl::UnavailableError(absl::StrCat(
        why, "; go on with: sluice jobs watch ", job().name(), " --from=", next_sequence_)));
  }

  // As the server told last; without a name before it told anything.
  const v1::Job& job() const { return followed_.job; }

 private:
  void ShowProgress(const v1::EventBatch& batch) {
    if (!console_.shows_progress()) return;
    if (StandsStill(job())) {
      if (batch.has_job()) console_.ShowProgress(StateText(job()));
    } else if (batch.has_progress()) {
      console_.ShowProgress(ProgressLine(batch.progress(), console_.width()));
    }
  }

  Console& console_;
  const Files files_;
  JobNotes notes_;
  FollowedJob followed_;
  std::uint64_t next_sequence_ = 1;
  bool ended_ = false;
};

Task<> Follow(AsyncGenerator<v1::EventBatch> batches, Follower* follower) {
  try {
    while (auto batch = co_await batches.Next()) follower->Take(*std::move(batch));
  } catch (const Cancelled&) {
    throw;
  } catch (const StatusError& error) {
    if (!absl::IsUnavailable(error.status()) || follower->job().name().empty()) throw;
    throw follower->CutShort(DescribeError(error.status()));
  }
}

// Waits for the server's answer, since a server of our own ends with us, and a job that it had not
// heard the end of would go on with the next one.
Task<> CancelInterrupted(Session session, v1::Job job) {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(10);
  try {
    co_await session.client->CancelJob(job.name(), {.deadline = deadline});
  } catch (const StatusError& error) {
    session.console->Note(
        absl::StrCat("sluice: cannot cancel the job: ", DescribeError(error.status())));
  }
  const v1::ApplySpec& apply = job.spec().apply();
  if (apply.has_dry_run() && !apply.dry_run() && apply.undo_of().empty()) {
    session.console->Note(
        absl::StrCat("sluice: what it has changed can be undone: sluice undo ", job.name()));
  }
}

}  // namespace

std::string FailureText(const v1::Job& job) {
  const std::string text = absl::StrCat("sluice: ", job.name(), " ", StateName(job.state()));
  return job.has_error() ? absl::StrCat(text, ": ", DescribeError(job.error())) : text;
}

Task<FollowedJob> RunJob(Session session, v1::JobSpec spec, Files files) {
  v1::RunJobRequest request;
  *request.mutable_spec() = std::move(spec);
  request.mutable_spec()->set_window(kWindow);
  request.mutable_options()->set_max_batch_events(kBatchEvents);
  Follower follower(session, files);
  std::exception_ptr interrupted;
  try {
    co_await Follow(session.client->Run(std::move(request), follower.call_options()), &follower);
  } catch (const Cancelled&) {
    interrupted = std::current_exception();
  }
  if (interrupted) {
    if (!follower.job().name().empty()) co_await CancelInterrupted(session, follower.job());
    std::rethrow_exception(interrupted);
  }
  co_return follower.Finish();
}

Task<FollowedJob> WatchJob(Session session, v1::WatchJobRequest request, Files files) {
  // A wrong name or address is told at once; a watch would try again.
  co_await session.client->GetJob(request.name(), session.call_options());
  Follower follower(session, files);
  co_await Follow(session.client->Watch(std::move(request), follower.call_options()), &follower);
  co_return follower.Finish();
}

Task<ExitStatus> RunAndReport(Session session, v1::JobSpec spec, Files files, bool detach) {
  Console& console = *session.console;
  if (detach) {
    v1::StartJobRequest request;
    *request.mutable_spec() = std::move(spec);
    const v1::Job job = co_await session.client->StartJob(request, session.call_options());
    if (console.json()) {
      console.PrintJson(job);
    } else {
      console.Print(absl::StrCat(job.name(), "\n"));
    }
    co_return ExitStatus::kOk;
  }
  const FollowedJob followed = co_await RunJob(session, std::move(spec), files);
  if (!console.json()) {
    // A list of files is for other programs: what is said about it goes elsewhere.
    const std::string summary = SummaryText(followed.job, followed.summary);
    if (files == Files::kPrint) {
      console.Note(absl::StripTrailingAsciiWhitespace(summary));
    } else {
      console.Print(summary);
    }
  }
  PrintStats(session, followed.job.name(), followed.summary);
  co_return ExitStatusFor(followed.summary);
}

}  // namespace sluice::cli
