#ifndef SLUICE_CLIENT_CLI_COMPLETION_H_
#define SLUICE_CLIENT_CLI_COMPLETION_H_

#include <string>

#include "CLI/CLI.hpp"

namespace sluice::cli {

enum class Shell { kBash, kZsh, kFish };

// A script that completes commands, options and file names, made of the command line itself, so
// that it cannot fall behind.
std::string CompletionScript(const CLI::App& root, Shell shell);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_COMPLETION_H_
