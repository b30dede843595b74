#ifndef SLUICE_SERVER_OPS_LISTEN_ADDRESS_H_
#define SLUICE_SERVER_OPS_LISTEN_ADDRESS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice {

inline constexpr int kDefaultPort = 7878;

// Where the server listens.
struct ListenAddress {
  std::string grpc_address;  // As gRPC takes it.
  std::string socket_path;   // Of a Unix socket, else empty.
  bool loopback = false;     // Reached from this host only (a Unix socket is, too).

  // "unix:/path.sock", "HOST:PORT", "HOST", "[::1]:PORT". INVALID_ARGUMENT with the reason.
  static absl::StatusOr<ListenAddress> Parse(std::string_view text);
};

// Makes a Unix socket's place ready: its directory exists (0700 when it is made here), and a socket
// file that nobody listens on is gone. FAILED_PRECONDITION when a server listens there, or when
// something else stands in its place: gRPC by itself would take the path over.
absl::Status PrepareSocket(const std::string& socket_path);

}  // namespace sluice

#endif  // SLUICE_SERVER_OPS_LISTEN_ADDRESS_H_
