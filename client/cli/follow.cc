#include "client/cli/follow.h"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "client/cli/format.h"
#include "client/cli/report.h"
#include "client/error_details.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

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
    case v1::JobEvent::kStateChange:  // Its summary comes with the end of the stream.
    case v1::JobEvent::EVENT_NOT_SET:
      break;
  }
}

void PrintBatch(const v1::EventBatch& batch, Files files, Console& console) {
  for (const v1::JobEvent& event : batch.events()) {
    if (!console.json()) {
      PrintText(event, files, console);
    } else if (!event.has_file() || files == Files::kPrint) {
      console.PrintJson(event);
    }
  }
  console.Flush();
  if (batch.has_progress() && console.shows_progress()) {
    console.ShowProgress(ProgressLine(batch.progress(), console.width()));
  }
}

[[noreturn]] void ThrowCutShort(const v1::Job& job, std::uint64_t next_sequence) {
  throw StatusError(absl::UnavailableError(absl::StrCat("the stream ended before ", job.name(),
                                                        "; go on with: sluice jobs watch ",
                                                        job.name(), " --from=", next_sequence)));
}

// Says why a job did not succeed.
Task<> NoteFailure(Session session, std::string name, v1::JobState state) {
  const v1::Job job = co_await session.client->GetJob(name, session.call_options());
  std::string note = absl::StrCat("sluice: ", name, " ", StateName(state));
  if (job.has_error()) absl::StrAppend(&note, ": ", DescribeError(job.error()));
  session.console->Note(note);
}

// The common part. `followed` is filled as far as the stream comes.
Task<> Follow(Session session, AsyncGenerator<v1::EventBatch> batches, Files files,
              FollowedJob* followed) {
  std::uint64_t next_sequence = 1;
  bool ended = false;
  while (auto batch = co_await batches.Next()) {
    if (batch->has_job()) followed->job = batch->job();
    next_sequence = batch->next_sequence();
    PrintBatch(*batch, files, *session.console);
    if (batch->has_end()) {
      ended = batch->end().reason() == v1::StreamEnd::REASON_JOB_ENDED;
      if (!ended) break;
      followed->summary = batch->end().summary();
    }
  }
  session.console->ClearProgress();
  if (!ended) ThrowCutShort(followed->job, next_sequence);
  if (followed->summary.state() != v1::JOB_STATE_SUCCEEDED) {
    co_await NoteFailure(session, followed->job.name(), followed->summary.state());
  }
}

// Waits for the server's answer, since a server of our own ends with us, and a job that it had not
// heard the end of would go on with the next one.
Task<> CancelInterrupted(Session session, std::string name) {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(10);
  try {
    co_await session.client->CancelJob(std::move(name), {.deadline = deadline});
  } catch (const StatusError& error) {
    session.console->Note(
        absl::StrCat("sluice: cannot cancel the job: ", DescribeError(error.status())));
  }
}

}  // namespace

Task<FollowedJob> RunJob(Session session, v1::JobSpec spec, Files files) {
  v1::RunJobRequest request;
  *request.mutable_spec() = std::move(spec);
  FollowedJob followed;
  std::exception_ptr interrupted;
  try {
    co_await Follow(session, session.client->Run(std::move(request), session.call_options()), files,
                    &followed);
  } catch (const Cancelled&) {
    interrupted = std::current_exception();
  }
  if (interrupted) {
    if (!followed.job.name().empty()) co_await CancelInterrupted(session, followed.job.name());
    std::rethrow_exception(interrupted);
  }
  co_return followed;
}

Task<FollowedJob> WatchJob(Session session, v1::WatchJobRequest request, Files files) {
  FollowedJob followed;
  co_await Follow(session, session.client->Watch(std::move(request), session.call_options()), files,
                  &followed);
  co_return followed;
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
  co_return ExitStatusFor(followed.summary);
}

}  // namespace sluice::cli
