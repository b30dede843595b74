#ifndef SLUICE_CLIENT_CLI_JOB_CHANGES_H_
#define SLUICE_CLIENT_CLI_JOB_CHANGES_H_

#include "CLI/CLI.hpp"

#include "client/cli/command.h"

namespace sluice::cli {

// Those of the commands of `sluice jobs` that change jobs, or wait for one: cancel, pause, resume,
// delete, wait.
void DeclareJobChanges(CLI::App& jobs, Invocation& invocation);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_JOB_CHANGES_H_
