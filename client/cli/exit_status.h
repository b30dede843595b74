#ifndef SLUICE_CLIENT_CLI_EXIT_STATUS_H_
#define SLUICE_CLIENT_CLI_EXIT_STATUS_H_

#include <cstdint>

#include "absl/status/status.h"

#include "sluice/v1/event.pb.h"

namespace sluice::cli {

// What a command's exit status says; part of the command line's contract.
enum class ExitStatus : std::uint8_t {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  // Done, but single items failed.
  kItemErrors = 3,
  kInterrupted = 130,
};

// For a command that ended with an error. What the server finds wrong with a request was wrong on
// the command line, so INVALID_ARGUMENT is a usage error.
ExitStatus ExitStatusFor(const absl::Status& status);

// For a job that has come to its end.
ExitStatus ExitStatusFor(const v1::JobSummary& summary);
ExitStatus ExitStatusFor(const v1::Job& job);

// For a command that ran several jobs: the worse one.
ExitStatus Worse(ExitStatus a, ExitStatus b);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_EXIT_STATUS_H_
