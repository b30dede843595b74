#include "client/cli/connection.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/fs/unique_fd.h"

namespace sluice::cli {

std::string DefaultSocket() {
  // Nothing changes the environment once main() has begun.
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe)
  const std::string parent = runtime != nullptr && *runtime != '\0' ? runtime : "/run";
  return absl::StrCat(parent, "/sluice/sluiced.sock");
}

bool Answers(const std::string& path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket_fd.valid() && connect(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                      sizeof(address)) == 0;
}

absl::StatusOr<Connection> ConnectFor(const Invocation& invocation, const sigset_t& signal_mask,
                                      const std::stop_token& stop) {
  Connection connection;
  if (!invocation.embedded) {
    if (invocation.server && !invocation.server->empty()) {
      connection.address = *invocation.server;
      return connection;
    }
    if (const std::string socket = DefaultSocket(); Answers(socket)) {
      connection.address = absl::StrCat("unix:", socket);
      return connection;
    }
  }
  if (invocation.needs_lasting_server) {
    return absl::InvalidArgumentError(
        "--detach needs a server that goes on running: start sluiced, or name one with --server");
  }
  absl::StatusOr<EmbeddedServer::Options> options = EmbeddedServer::DefaultOptions();
  if (!options.ok()) return options.status();
  options->signal_mask = signal_mask;
  auto embedded = EmbeddedServer::Start(*std::move(options), stop);
  if (!embedded.ok()) return embedded.status();
  connection.embedded = *std::move(embedded);
  connection.address = connection.embedded->address();
  return connection;
}

}  // namespace sluice::cli
