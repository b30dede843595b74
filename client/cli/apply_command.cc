#include <memory>
#include <string>
#include <vector>

#include "client/cli/apply_job.h"
#include "client/cli/command.h"
#include "client/cli/spec_options.h"
#include "client/cli/values.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice apply --dry-run jobs/0192f0c1           what would be done, file by file
  sluice apply jobs/0192f0c1                     the same, after a question
  sluice apply --yes --action=reflink --max-changes=1000 jobs/0192f0c1
  sluice apply --plan=plans/0192f0c1.5d41 --metadata=ignore-times jobs/0192f0c1

Each file is compared with the kept one byte for byte in the moment of the change, and left alone
where it was written, replaced or renamed since, or is open for writing. `sluice undo` takes back
what was done. Without a terminal, --yes or --dry-run is needed.)";

struct Options {
  ApplyRequest request;
  std::string job;
};

Task<ExitStatus> Apply(Session session, std::shared_ptr<const Options> options) {
  RequireConsent(session, options->request);
  co_return co_await ApplyPlans(session, options->request, ResourceName("jobs", options->job));
}

}  // namespace

void DeclareApply(CLI::App& root, Invocation& invocation) {
  CLI::App& command = *root.add_subcommand("apply", "Carry out the plans of a reconcile job");
  const auto options = std::make_shared<Options>();
  v1::ApplySpec& spec = *options->request.spec.mutable_apply();
  command.add_option("JOB", options->job, "Name of the reconcile job")->required()->type_name("");
  command
      .add_option_function<std::vector<std::string>>(
          "--plan",
          [&spec](const std::vector<std::string>& plans) {
            for (const std::string& plan : plans) spec.add_plans(ResourceName("plans", plan));
          },
          "Only this plan; repeatable. Default: all")
      ->allow_extra_args(false)
      ->type_name("PLAN");
  AddAction(
      command, "--action", [&spec](v1::Action action) { spec.set_action(action); },
      "What becomes of the other copies. Default: what the plans propose");
  AddConsentOptions(command, options->request);
  AddApplyOptions(command, spec);
  AddJobOptions(command, options->request.spec);
  command.add_flag("--detach", options->request.detach,
                   "Start the job, print its name, and leave it");
  command.footer(kFooter);
  command.callback([options, &invocation] {
    invocation.needs_lasting_server = options->request.detach;
    invocation.run = [options](Session session) { return Apply(session, options); };
  });
}

}  // namespace sluice::cli
