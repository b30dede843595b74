#ifndef SLUICE_CLIENT_CLI_CONFIRM_H_
#define SLUICE_CLIENT_CLI_CONFIRM_H_

#include <optional>
#include <stop_token>

#include "absl/strings/string_view.h"

#include "pipeline/fs/unique_fd.h"

namespace sluice::cli {

// Where a person can be asked: a terminal, or in tests two pipes.
// Not thread-safe. Lifetime: descriptors that it was given outlive it.
class Terminal final {
 public:
  // Standard input and standard error, where both are a terminal. Where only one is, there is
  // somebody, to be asked at /dev/tty. nullopt where nobody can be asked.
  static std::optional<Terminal> Find();

  Terminal(int input, int output) : input_(input), output_(output) {}

  // Asks, and waits for a line. Only "y" and "yes", in any case, mean yes: neither an empty line
  // nor the end of the input does. Blocks. Cancellation: throws Cancelled, the question unanswered.
  bool Confirm(absl::string_view question, const std::stop_token& stop) const;

 private:
  explicit Terminal(UniqueFd both);

  UniqueFd owned_;  // Where it opened one.
  int input_;
  int output_;
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_CONFIRM_H_
