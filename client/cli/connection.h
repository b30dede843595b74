#ifndef SLUICE_CLIENT_CLI_CONNECTION_H_
#define SLUICE_CLIENT_CLI_CONNECTION_H_

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"

#include "client/cli/command.h"
#include "client/cli/embedded_server.h"

namespace sluice::cli {

// Where a command's server is. With an embedded one: for as long as this lives.
struct Connection {
  std::string address;
  std::unique_ptr<EmbeddedServer> embedded;
};

// $XDG_RUNTIME_DIR/sluice/sluiced.sock, or /run/sluice/sluiced.sock.
std::string DefaultSocket();

// True when something listens on the Unix socket at `path`.
bool Answers(const std::string& path);

// The server that was named; else that of the default socket, where one answers; else one of our
// own. `signal_mask` is what an embedded one gets.
absl::StatusOr<Connection> ConnectFor(const Invocation& invocation, const sigset_t& signal_mask,
                                      const std::stop_token& stop);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_CONNECTION_H_
