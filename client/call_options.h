#ifndef SLUICE_CLIENT_CALL_OPTIONS_H_
#define SLUICE_CLIENT_CALL_OPTIONS_H_

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"

namespace sluice {

// What a caller may say about one call.
struct CallOptions {
  // Stopped, the call is cancelled at once and ends with `Cancelled`.
  std::stop_token stop = {};
  // The call ends with DEADLINE_EXCEEDED then. Unset: never.
  std::optional<std::chrono::system_clock::time_point> deadline = {};

  // The rest is for Client::Watch, Run and WaitJob, which call again when the server is
  // UNAVAILABLE.

  // For how long without success, counted anew after every message. 0: not at all.
  std::chrono::nanoseconds reconnect_for = std::chrono::minutes(1);
  // Called once when a connection is lost that will be tried again, with why; it is there again
  // with the next message. Runs within the consumer's pull, never beside it.
  std::function<void(const absl::Status& why)> on_connection_lost = {};
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_CALL_OPTIONS_H_
