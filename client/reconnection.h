#ifndef SLUICE_CLIENT_RECONNECTION_H_
#define SLUICE_CLIENT_RECONNECTION_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>

#include "absl/status/status.h"

#include "client/call_options.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"

namespace sluice::internal {

// When to call a server again that was UNAVAILABLE, and when to give it up.
//
//   while (true) {
//     absl::Status failure;
//     try {
//       … reconnection.Succeeded(); …
//     } catch (const StatusError& error) {
//       failure = error.status();
//     }
//     co_await reconnection.BeforeNextCall(failure);
//   }
//
// The waits grow from kInitialBackoff to kMaxBackoff, and are never shorter than what the server
// asks for (RetryInfo). Each is made longer by chance, so that those who lost the same server do
// not come back as one.
// Not thread-safe. Lifetime: executor and clock outlive it.
class Reconnection final {
 public:
  static constexpr Clock::Duration kInitialBackoff = std::chrono::milliseconds(100);
  static constexpr Clock::Duration kMaxBackoff = std::chrono::seconds(5);
  static constexpr int kMultiplier = 2;
  // At most by this part of it is a wait made longer.
  static constexpr double kJitter = 0.5;

  Reconnection(Executor& executor, Clock& clock, CallOptions options,
               std::uint32_t seed = std::random_device()())
      : executor_(executor), clock_(clock), options_(std::move(options)), random_(seed) {}
  Reconnection(const Reconnection&) = delete;
  Reconnection& operator=(const Reconnection&) = delete;

  // From here on all counts anew.
  void Succeeded();

  // Waits as long as is right after this failure, but not beyond the deadline, which the next call
  // then reports. Errors: `failure` itself where there is to be no next call. Cancellation: the
  // options' stop.
  Task<> BeforeNextCall(absl::Status failure);

  // What a call that was cancelled has failed with: throws Cancelled if that was the caller's own
  // doing. A gRPC server that shuts down cancels, too, instead of refusing, calls that come late.
  absl::Status FailureOfCancelled() const;

  // How long that is; nullopt where there is to be no next call: it would come later than
  // `reconnect_for` after the first failure, or the failure is none that passes by.
  std::optional<Clock::Duration> WaitAfter(const absl::Status& failure);

 private:
  Executor& executor_;
  Clock& clock_;
  const CallOptions options_;
  std::minstd_rand random_;
  Clock::Duration backoff_ = kInitialBackoff;
  std::optional<Clock::TimePoint> failing_since_;
};

}  // namespace sluice::internal

#endif  // SLUICE_CLIENT_RECONNECTION_H_
