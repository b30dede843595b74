#include <memory>
#include <string>
#include <vector>

#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/spec_options.h"
#include "client/cli/values.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice reconcile scans/0192f0c1                        groups of identical files in one scan
  sluice reconcile --keep='glob:/data/master/**' --keep=oldest SCAN SCAN
  sluice reconcile --order=largest-first --json SCAN | jq .plan.recoverableBytes

Nothing is changed: the plans say what could be done.)";

struct Options {
  v1::JobSpec spec;
  bool detach = false;
};

}  // namespace

void DeclareReconcile(CLI::App& root, Invocation& invocation) {
  CLI::App& command =
      *root.add_subcommand("reconcile", "Find identical files among the records of scans");
  const auto options = std::make_shared<Options>();
  v1::ReconcileSpec& spec = *options->spec.mutable_reconcile();
  command
      .add_option_function<std::vector<std::string>>(
          "SCAN",
          [&spec](const std::vector<std::string>& scans) {
            for (const std::string& scan : scans) spec.add_scans(ResourceName("scans", scan));
          },
          "Names of scans, as `sluice scans list` prints them")
      ->required()
      ->type_name("");
  AddSizeOptions(command, spec);
  AddPlanOptions(command, spec);
  command
      .add_option_function<std::string>(
          "--base",
          [&spec](const std::string& job) { spec.set_base_job(ResourceName("jobs", job)); },
          "Earlier reconcile job: what it found out about files is used again where they have not "
          "changed since")
      ->type_name("JOB");
  AddJobOptions(command, options->spec);
  command.add_flag("--detach", options->detach, "Start the job, print its name, and leave it");
  command.footer(kFooter);
  command.callback([options, &invocation] {
    invocation.needs_lasting_server = options->detach;
    invocation.run = [options](Session session) {
      return RunAndReport(session, options->spec, Files::kCount, options->detach);
    };
  });
}

}  // namespace sluice::cli
