#include "client/cli/job_notes.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"

namespace sluice::cli {

CallOptions JobNotes::call_options() {
  CallOptions options = session_.call_options();
  options.on_connection_lost = [this](const absl::Status&) {
    session_.console->ClearProgress();
    session_.console->Note("sluice: connection lost, trying again");
    lost_ = true;
  };
  return options;
}

void JobNotes::OnAnswer() {
  if (std::exchange(lost_, false)) session_.console->Note("sluice: connected again");
}

void JobNotes::See(const v1::Job& job) {
  const bool paused = job.state() == v1::JOB_STATE_PAUSED;
  if (std::exchange(paused_, paused) || !paused) return;
  // One that was paused on request has no reason.
  const std::string why = job.has_error() ? job.error().message() : job.name();
  const std::string resume = absl::StrCat("sluice jobs resume ", job.name());
  if (session_.server_life == ServerLife::kTheCommands) {
    throw StatusError(absl::FailedPreconditionError(absl::StrCat(
        "paused: ", why, "; go on with: ", resume, " && sluice jobs watch ", job.name())));
  }
  session_.console->Note(absl::StrCat("sluice: paused: ", why, "; resume with: ", resume));
}

}  // namespace sluice::cli
