#ifndef SLUICE_SERVER_OPS_SERVER_H_
#define SLUICE_SERVER_OPS_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "server/ops/config.h"

namespace sluice {

// A whole server: catalog, jobs, services, listeners. main() runs one; so do the tests, in process.
//
//   auto server = ValueOrThrow(Server::Start(config));
//   Print(server->addresses());
//   WaitForSigterm();
//   server->Stop();
//
// Thread-safe. Destruction stops it.
class Server {
 public:
  // Serves when it returns. Errors are for the person who started it, in one line:
  // INVALID_ARGUMENT (a setting is wrong), FAILED_PRECONDITION (address in use, data directory not
  // usable or in use), DATA_LOSS (the catalog is damaged).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Config& config);

  virtual ~Server() = default;

  // As a client would write them; a port of 0 is replaced by the one that was chosen.
  virtual std::vector<std::string> addresses() const = 0;

  // Drains: health says NOT_SERVING, nothing new is taken, jobs are stopped, streams end with
  // DRAINING; what has not ended after the grace time is cut off. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_OPS_SERVER_H_
