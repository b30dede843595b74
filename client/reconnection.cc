#include "client/reconnection.h"

#include <algorithm>

#include "client/error_details.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"

namespace sluice::internal {

void Reconnection::Succeeded() {
  failing_since_.reset();
  backoff_ = kInitialBackoff;
}

Task<> Reconnection::BeforeNextCall(absl::Status failure) {
  const bool first = !failing_since_;
  std::optional<Clock::Duration> wait = WaitAfter(failure);
  if (!wait) throw StatusError(std::move(failure));
  if (first && options_.on_connection_lost) options_.on_connection_lost(failure);
  if (options_.deadline) {
    wait = std::min<Clock::Duration>(*wait, *options_.deadline - std::chrono::system_clock::now());
  }
  co_await Sleep(executor_, clock_, *wait, options_.stop);
}

absl::Status Reconnection::FailureOfCancelled() const {
  ThrowIfStopRequested(options_.stop);
  return absl::UnavailableError("the server has cancelled the call");
}

std::optional<Clock::Duration> Reconnection::WaitAfter(const absl::Status& failure) {
  if (!absl::IsUnavailable(failure)) return std::nullopt;
  const Clock::TimePoint now = clock_.Now();
  if (!failing_since_) failing_since_ = now;
  const Clock::Duration left = options_.reconnect_for - (now - *failing_since_);
  const Clock::Duration least = std::max<Clock::Duration>(backoff_, RetryDelay(failure));
  if (least > left) return std::nullopt;
  backoff_ = std::min(backoff_ * kMultiplier, kMaxBackoff);
  std::uniform_real_distribution<double> factor(1, 1 + kJitter);
  const double longer = static_cast<double>(least.count()) * factor(random_);
  return std::min(Clock::Duration(static_cast<Clock::Duration::rep>(longer)), left);
}

}  // namespace sluice::internal
