#include "client/cli/job_changes.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "client/cli/follow.h"
#include "client/cli/format.h"
#include "client/cli/job_notes.h"
#include "client/cli/values.h"
#include "client/job_state.h"

namespace sluice::cli {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

// How long a job may be paused before one who waits for it is told.
constexpr seconds kLookAgain(5);

// A call of the client that asks something of one job.
using Change = Task<v1::Job> (Client::*)(std::string name, CallOptions options);

void PrintState(const v1::Job& job, const std::string& state, Console& console) {
  console.json() ? console.PrintJson(job)
                 : console.Print(absl::StrCat(job.name(), " ", state, "\n"));
  console.Flush();
}

Task<ExitStatus> ChangeEach(Session session, Change change, std::vector<std::string> names) {
  for (const std::string& name : names) {
    const v1::Job job =
        co_await (session.client->*change)(ResourceName("jobs", name), session.call_options());
    PrintState(job, StateName(job.state()), *session.console);
  }
  co_return ExitStatus::kOk;
}

struct DeleteOptions {
  std::vector<std::string> names;
  bool allow_missing = false;
  bool discard_undo = false;
};

Task<ExitStatus> DeleteEach(Session session, DeleteOptions options) {
  using IfMissing = Client::IfMissing;
  using IfUndoable = Client::IfUndoable;
  for (const std::string& name : options.names) {
    const v1::Job job = co_await session.client->DeleteJob(
        ResourceName("jobs", name), options.allow_missing ? IfMissing::kIgnore : IfMissing::kFail,
        options.discard_undo ? IfUndoable::kDiscardUndo : IfUndoable::kFail,
        session.call_options());
    if (!job.name().empty()) PrintState(job, "deleted", *session.console);
  }
  co_return ExitStatus::kOk;
}

// The job when it has ended, or as it is after `timeout`.
Task<v1::Job> AwaitEnd(Session session, std::string name, std::optional<seconds> timeout) {
  Console& console = *session.console;
  const auto begin = steady_clock::now();
  JobNotes notes(session);
  // A wrong name or address is told at once; a wait would try again.
  v1::Job job = co_await session.client->GetJob(std::move(name), session.call_options());
  while (!HasEnded(job)) {
    notes.See(job);
    console.ShowProgress(StateText(job));
    Clock::Duration wait = kLookAgain;
    if (timeout) wait = std::min<Clock::Duration>(wait, begin + *timeout - steady_clock::now());
    if (wait <= Clock::Duration::zero()) break;
    job = co_await session.client->WaitJob(job.name(), wait, notes.call_options());
    notes.OnAnswer();
  }
  console.ClearProgress();
  co_return job;
}

Task<ExitStatus> Wait(Session session, std::string name, std::optional<seconds> timeout) {
  const v1::Job job = co_await AwaitEnd(session, ResourceName("jobs", name), timeout);
  PrintState(job, StateText(job), *session.console);
  if (HasEnded(job) && job.has_error()) session.console->Note(FailureText(job));
  co_return ExitStatusFor(job);
}

CLI::App& DeclareForEach(CLI::App& jobs, const std::string& name, const std::string& description,
                         std::vector<std::string>& job_names) {
  CLI::App& command = *jobs.add_subcommand(name, description);
  command.add_option("JOB", job_names, "Names of the jobs")->required()->type_name("");
  return command;
}

void DeclareChange(CLI::App& jobs, Invocation& invocation, const std::string& name,
                   const std::string& description, Change change) {
  const auto names = std::make_shared<std::vector<std::string>>();
  DeclareForEach(jobs, name, description, *names).callback([names, change, &invocation] {
    invocation.run = [names, change](Session session) {
      return ChangeEach(session, change, *names);
    };
  });
}

void DeclareDelete(CLI::App& jobs, Invocation& invocation) {
  const auto options = std::make_shared<DeleteOptions>();
  CLI::App& command = DeclareForEach(
      jobs, "delete", "Delete jobs that have ended, with their events and scans", options->names);
  command.add_flag("--allow-missing", options->allow_missing, "What does not exist is no error");
  command.add_flag("--discard-undo", options->discard_undo,
                   "Also apply jobs that can still be undone: files that they removed are deleted "
                   "for good");
  command.callback([options, &invocation] {
    invocation.run = [options](Session session) { return DeleteEach(session, *options); };
  });
}

void DeclareWait(CLI::App& jobs, Invocation& invocation) {
  CLI::App& command =
      *jobs.add_subcommand("wait", "Wait for the end of a job; the exit status says how it ended");
  const auto name = std::make_shared<std::string>();
  const auto timeout = std::make_shared<std::optional<seconds>>();
  command.add_option("JOB", *name, "Name of the job")->required()->type_name("");
  TakesSeconds(command.add_option_function<std::uint32_t>(
      "--timeout", [timeout](std::uint32_t given) { *timeout = seconds(given); },
      "Fail after so long (30, 90s, 5m, 2h). Default: never"));
  command.callback([name, timeout, &invocation] {
    invocation.run = [name, timeout](Session session) { return Wait(session, *name, *timeout); };
  });
}

}  // namespace

void DeclareJobChanges(CLI::App& jobs, Invocation& invocation) {
  DeclareWait(jobs, invocation);
  DeclareChange(jobs, invocation, "cancel", "Ask jobs to stop", &Client::CancelJob);
  DeclareChange(jobs, invocation, "pause", "Ask jobs to stop so that they can go on later",
                &Client::PauseJob);
  DeclareChange(jobs, invocation, "resume", "Let paused jobs go on where they were",
                &Client::ResumeJob);
  DeclareDelete(jobs, invocation);
}

}  // namespace sluice::cli
