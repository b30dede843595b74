#include <memory>

#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/spec_options.h"
#include "client/cli/values.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice scan /data                              record a tree, say how much there is
  sluice scan --digest=all --list /data          a digest, a size and a path a line
  sluice scan --exclude='*.tmp' --min-size=1M --json /data | jq .file.path
  sluice scan --digest=candidates --detach /data /mnt/more

What a scan has recorded stays with the server: see `sluice scans list`, and give the scan's name
to `sluice reconcile`.)";

struct Options {
  v1::JobSpec spec;
  bool list = false;
  bool detach = false;
};

}  // namespace

void DeclareScan(CLI::App& root, Invocation& invocation) {
  CLI::App& command = *root.add_subcommand("scan", "Record the files of trees, with digests");
  const auto options = std::make_shared<Options>();
  v1::ScanSpec& spec = *options->spec.mutable_scan();
  AddRootOptions(command, spec);
  AddFilterOptions(command, spec);
  AddScanOptions(command, spec);
  command
      .add_option_function<std::string>(
          "--base",
          [&spec](const std::string& scan) { spec.set_base_scan(ResourceName("scans", scan)); },
          "Earlier scan whose digests are taken over for files that have not changed since")
      ->type_name("SCAN");
  command.add_flag("--list", options->list,
                   "Print every file: digest, size, path; the summary goes to standard error");
  AddJobOptions(command, options->spec);
  command.add_flag("--detach", options->detach, "Start the job, print its name, and leave it");
  command.footer(kFooter);
  command.callback([options, &invocation] {
    invocation.needs_lasting_server = options->detach;
    invocation.run = [options, &invocation](Session session) {
      const Files files = options->list || invocation.json ? Files::kPrint : Files::kCount;
      return RunAndReport(session, options->spec, files, options->detach);
    };
  });
}

}  // namespace sluice::cli
