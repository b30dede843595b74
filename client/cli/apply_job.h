#ifndef SLUICE_CLIENT_CLI_APPLY_JOB_H_
#define SLUICE_CLIENT_CLI_APPLY_JOB_H_

#include <string>

#include "CLI/CLI.hpp"

#include "client/cli/command.h"
#include "client/cli/exit_status.h"
#include "pipeline/async/task.h"
#include "sluice/v1/job.pb.h"

// What the commands that change files have in common: they show what they are about to do, ask
// whether they shall, and do it.
namespace sluice::cli {

struct ApplyRequest {
  ApplyRequest() { spec.mutable_apply()->set_dry_run(false); }

  v1::JobSpec spec;  // Of an apply job. Says always whether it is a dry run.
  bool yes = false;  // Asks no question.
  bool detach = false;
};

// --dry-run and --yes.
void AddConsentOptions(CLI::App& command, ApplyRequest& request);

// Errors: INVALID_ARGUMENT where a question would have to be asked and nobody can be. To be called
// before anything that takes its time.
void RequireConsent(const Session& session, const ApplyRequest& request);

// Carries out the plans of a reconcile job ("jobs/{id}"), or those of them that the spec names, as
// they are when they are shown. Where there are none, that is all. A no to the question is a
// failure, since what was asked for was not done.
Task<ExitStatus> ApplyPlans(Session session, ApplyRequest request, std::string reconcile_job);

// Undoes what an apply job has done, likewise.
Task<ExitStatus> UndoJob(Session session, ApplyRequest request, std::string apply_job);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_APPLY_JOB_H_
