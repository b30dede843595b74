// The `sluice` command line: parses, finds a server, runs the command, gives the exit status.
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/connection.h"
#include "client/cli/console.h"
#include "client/cli/interrupt.h"
#include "client/client.h"
#include "client/error_details.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"

namespace sluice::cli {

namespace {

// The command that was being given when parsing failed: "sluice jobs list".
std::string CommandInQuestion(const CLI::App& root) {
  const CLI::App* app = &root;
  std::string words = root.get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    absl::StrAppend(&words, " ", app->get_name());
  }
  return words;
}

// One line that says what is wrong with the command line.
std::string UsageProblem(const CLI::App& root, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = root.remaining(/*recurse=*/true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !unknown.empty()) {
    return absl::StrCat("\"", unknown.front(), "\" is no command of ", CommandInQuestion(root));
  }
  return absl::StrReplaceAll(error.what(), {{"\n", " "}});
}

ExitStatus RunAtServer(const Invocation& invocation, Console& console, const Interrupt& interrupt) {
  const auto connection =
      ValueOrThrow(ConnectFor(invocation, interrupt.original_mask(), interrupt.stop_token()));
  const std::optional<Terminal> terminal = Terminal::Find();
  ThreadPool executor(1);
  Client client(connection.address, executor);
  return SyncWait(invocation.run(
      {.client = &client,
       .console = &console,
       .stop = interrupt.stop_token(),
       .server_life = connection.embedded ? ServerLife::kTheCommands : ServerLife::kItsOwn,
       .terminal = terminal ? &*terminal : nullptr,
       .stats = invocation.stats}));
}

int Run(const Invocation& invocation) {
  const Interrupt interrupt;
  Console console(
      Console::DetectOptions(invocation.json ? Console::Format::kJson : Console::Format::kText));
  try {
    const ExitStatus status = invocation.run_locally ? invocation.run_locally(console)
                                                     : RunAtServer(invocation, console, interrupt);
    console.Flush();
    return static_cast<int>(status);
  } catch (const OutputClosed&) {
    // Its reader has had enough, as in `sluice scans files … | head`.
    return static_cast<int>(ExitStatus::kOk);
  } catch (const StatusError& error) {
    console.ClearProgress();
    if (const auto status = interrupt.exit_status()) {
      console.Note("sluice: interrupted");
      return *status;
    }
    console.Note(absl::StrCat("sluice: ", DescribeError(error.status())));
    return static_cast<int>(ExitStatusFor(error.status()));
  }
}

int Main(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);  // A closed pipe is an error of the write.
  Invocation invocation;
  const std::unique_ptr<CLI::App> root = MakeCommandLine(invocation);
  try {
    root->parse(argc, argv);
  } catch (const CLI::Success& success) {
    return root->exit(success);  // Help or version.
  } catch (const CLI::ParseError& error) {
    std::cerr << "sluice: " << UsageProblem(*root, error) << " (see " << CommandInQuestion(*root)
              << " --help)\n";
    return static_cast<int>(ExitStatus::kUsage);
  }
  return Run(invocation);
}

}  // namespace

}  // namespace sluice::cli

int main(int argc, char** argv) {
  try {
    return sluice::cli::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "sluice: " << error.what() << "\n";
    return static_cast<int>(sluice::cli::ExitStatus::kFailed);
  }
}
