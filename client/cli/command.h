#ifndef SLUICE_CLIENT_CLI_COMMAND_H_
#define SLUICE_CLIENT_CLI_COMMAND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "CLI/CLI.hpp"

#include "client/cli/confirm.h"
#include "client/cli/console.h"
#include "client/cli/exit_status.h"
#include "client/client.h"
#include "pipeline/async/task.h"

namespace sluice::cli {

// Whether the server goes on when the command has ended.
enum class ServerLife : std::uint8_t { kItsOwn, kTheCommands };

// What a running command works with. All of it outlives the command.
struct Session {
  Client* client;
  Console* console;
  std::stop_token stop;  // Requested by Ctrl-C.
  ServerLife server_life = ServerLife::kItsOwn;
  const Terminal* terminal = nullptr;  // Null: nobody can be asked.
  bool stats = false;                  // Commands that come to the end of a job say what it cost.

  CallOptions call_options() const {
    CallOptions options = {.stop = stop};
    // One of our own that has gone does not come back.
    if (server_life == ServerLife::kTheCommands) options.reconnect_for = {};
    return options;
  }
};

// What the command line has come to: filled by parsing, then run.
struct Invocation {
  // Options of the program.
  std::optional<std::string> server;
  bool embedded = false;
  bool json = false;
  bool stats = false;
  // The command leaves something running at the server, so an embedded one is of no use.
  bool needs_lasting_server = false;

  // Exactly one is set by the chosen command: the first needs a server, the second only prints.
  std::function<Task<ExitStatus>(Session)> run;
  std::function<ExitStatus(Console&)> run_locally;
};

// The whole command line. Parsing it fills `invocation`, which outlives it.
// To add a command: write its file, and name it in the table in command.cc.
std::unique_ptr<CLI::App> MakeCommandLine(Invocation& invocation);

// One function a command: declares it, with its help and its options, below `root`.
void DeclareScan(CLI::App& root, Invocation& invocation);
void DeclareReconcile(CLI::App& root, Invocation& invocation);
void DeclareDedupe(CLI::App& root, Invocation& invocation);
void DeclareApply(CLI::App& root, Invocation& invocation);
void DeclareUndo(CLI::App& root, Invocation& invocation);
void DeclareJobs(CLI::App& root, Invocation& invocation);
void DeclareScans(CLI::App& root, Invocation& invocation);
void DeclareCompletion(CLI::App& root, Invocation& invocation);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_COMMAND_H_
