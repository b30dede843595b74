#include "client/cli/command.h"

#include <array>

namespace sluice::cli {

namespace {

using Declare = void (*)(CLI::App& root, Invocation& invocation);

constexpr std::array<Declare, 8> kCommands = {
    DeclareScan, DeclareReconcile, DeclareDedupe, DeclareApply,
    DeclareUndo, DeclareJobs,      DeclareScans,  DeclareCompletion,
};

constexpr char kFooter[] = R"(Examples:
  sluice dedupe ~/photos /mnt/backup/photos    find identical files, say what could be given back
  sluice dedupe --apply=hardlink ~/photos      the same, and then give it back
  sluice scan --digest=all --json /data        record a tree, one JSON event a line
  sluice jobs list                             what the server is doing

Every command takes the options above as well. Without --server the server at the default socket
is used; where none answers, one is started for the duration of the command.

Exit status: 0 all well, 1 failed, 2 wrong usage, 3 done but some items failed, 130 interrupted.)";

}  // namespace

std::unique_ptr<CLI::App> MakeCommandLine(Invocation& invocation) {
  auto root = std::make_unique<CLI::App>("Scans and reconciles huge file trees.", "sluice");
  root->set_version_flag("--version", "sluice " SLUICE_VERSION, "Print the version and exit");
  root->set_help_flag("-h,--help", "Print this help and exit");
  root->get_formatter()->column_width(34);
  root->add_option("--server", invocation.server, "Server to use: unix:/path.sock or HOST:PORT")
      ->envname("SLUICE_SERVER")
      ->type_name("ADDR");
  root->add_flag("--embedded", invocation.embedded,
                 "Start a server for the duration of the command, whatever else runs");
  root->add_flag("--json", invocation.json, "Print results as JSON, one a line");
  root->add_flag("--stats", invocation.stats,
                 "Say what a job has cost, stage by stage: items, bytes, time, and what it waited "
                 "for");
  root->require_subcommand(1);
  root->footer(kFooter);
  for (const Declare declare : kCommands) declare(*root, invocation);
  for (CLI::App* command : root->get_subcommands({})) {
    command->fallthrough();
    for (CLI::App* nested : command->get_subcommands({})) nested->fallthrough();
  }
  return root;
}

}  // namespace sluice::cli
