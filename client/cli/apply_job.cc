#include "client/cli/apply_job.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "client/cli/apply_report.h"
#include "client/cli/follow.h"
#include "client/cli/format.h"
#include "client/job_state.h"
#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

constexpr char kConsentGroup[] = "Consent";

bool MustAsk(const ApplyRequest& request) {
  return !request.yes && !request.spec.apply().dry_run();
}

StatusError WrongKind(const v1::Job& job, const std::string& wanted) {
  return StatusError(absl::InvalidArgumentError(absl::StrCat(
      job.name(), " is a job of the kind \"", KindName(job.spec()), "\", not \"", wanted, "\"")));
}

// What the server would refuse, nobody needs to be asked about.
Task<> Validate(Session session, v1::JobSpec spec) {
  v1::StartJobRequest request;
  *request.mutable_spec() = std::move(spec);
  request.set_validate_only(true);
  co_await session.client->StartJob(std::move(request), session.call_options());
}

Task<ExitStatus> AskAndRun(Session session, ApplyRequest request, std::string what) {
  RequireConsent(session, request);
  if (MustAsk(request)) co_await Validate(session, request.spec);
  session.console->Note(what);
  if (MustAsk(request) && !session.terminal->Confirm("Go on? [y/N] ", session.stop)) {
    session.console->Note("sluice: nothing was changed");
    co_return ExitStatus::kFailed;
  }
  co_return co_await RunAndReport(session, std::move(request.spec), Files::kCount, request.detach);
}

ExitStatus NothingToDo(const Session& session, const v1::Job& job) {
  session.console->Note(absl::StrCat("sluice: ", job.name(), ": nothing to do"));
  return ExitStatus::kOk;
}

}  // namespace

void AddConsentOptions(CLI::App& command, ApplyRequest& request) {
  v1::ApplySpec& spec = *request.spec.mutable_apply();
  command
      .add_flag_callback(
          "--dry-run", [&spec] { spec.set_dry_run(true); },
          "Take every decision as the real run would, say what it is, and change nothing")
      ->group(kConsentGroup);
  command.add_flag("--yes", request.yes, "Do not ask whether to go on")->group(kConsentGroup);
}

void RequireConsent(const Session& session, const ApplyRequest& request) {
  if (!MustAsk(request) || session.terminal != nullptr) return;
  throw StatusError(absl::InvalidArgumentError(
      "there is no terminal to ask at: say --yes to change files, or --dry-run to see what would "
      "be done"));
}

Task<ExitStatus> ApplyPlans(Session session, ApplyRequest request, std::string reconcile_job) {
  const v1::Job job =
      co_await session.client->GetJob(std::move(reconcile_job), session.call_options());
  if (!job.spec().has_reconcile()) throw WrongKind(job, "reconcile");
  v1::ApplySpec& spec = *request.spec.mutable_apply();
  if (spec.plans().empty()) spec.set_reconcile_job(job.name());
  spec.set_reconcile_etag(job.etag());
  if (job.state() == v1::JOB_STATE_SUCCEEDED && job.counters().groups() == 0) {
    co_return NothingToDo(session, job);
  }
  co_return co_await AskAndRun(session, request, PlannedText(job, spec));
}

Task<ExitStatus> UndoJob(Session session, ApplyRequest request, std::string apply_job) {
  const v1::Job job = co_await session.client->GetJob(std::move(apply_job), session.call_options());
  if (!job.spec().has_apply()) throw WrongKind(job, "apply");
  if (HasEnded(job) && job.counters().changes() == 0) co_return NothingToDo(session, job);
  request.spec.mutable_apply()->set_undo_of(job.name());
  co_return co_await AskAndRun(session, request, DoneText(job));
}

}  // namespace sluice::cli
