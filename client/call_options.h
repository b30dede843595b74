#ifndef SLUICE_CLIENT_CALL_OPTIONS_H_
#define SLUICE_CLIENT_CALL_OPTIONS_H_

#include <chrono>
#include <optional>
#include <stop_token>

namespace sluice {

// What a caller may say about one call.
struct CallOptions {
  // Stopped, the call is cancelled at once and ends with `Cancelled`.
  std::stop_token stop = {};
  // The call ends with DEADLINE_EXCEEDED then. Unset: never.
  std::optional<std::chrono::system_clock::time_point> deadline = {};
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_CALL_OPTIONS_H_
