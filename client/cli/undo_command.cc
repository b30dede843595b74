#include <memory>
#include <string>

#include "client/cli/apply_job.h"
#include "client/cli/command.h"
#include "client/cli/spec_options.h"
#include "client/cli/values.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice undo --dry-run jobs/0192f0c2            what would be undone, file by file
  sluice undo jobs/0192f0c2                      the same, after a question
  sluice jobs list --kind=apply                  what there is to be undone

A file that something else has happened to since is left as it is. `sluice jobs get` says until when
a job can be undone. Without a terminal, --yes or --dry-run is needed.)";

struct Options {
  ApplyRequest request;
  std::string job;
};

Task<ExitStatus> Undo(Session session, std::shared_ptr<const Options> options) {
  RequireConsent(session, options->request);
  co_return co_await UndoJob(session, options->request, ResourceName("jobs", options->job));
}

}  // namespace

void DeclareUndo(CLI::App& root, Invocation& invocation) {
  CLI::App& command = *root.add_subcommand("undo", "Undo what an apply job has done");
  const auto options = std::make_shared<Options>();
  command.add_option("JOB", options->job, "Name of the apply job")->required()->type_name("");
  AddConsentOptions(command, options->request);
  AddChangeOptions(command, *options->request.spec.mutable_apply());
  AddJobOptions(command, options->request.spec);
  command.add_flag("--detach", options->request.detach,
                   "Start the job, print its name, and leave it");
  command.footer(kFooter);
  command.callback([options, &invocation] {
    invocation.needs_lasting_server = options->request.detach;
    invocation.run = [options](Session session) { return Undo(session, options); };
  });
}

}  // namespace sluice::cli
