#ifndef SLUICE_PIPELINE_ASYNC_STATUS_ERROR_H_
#define SLUICE_PIPELINE_ASYNC_STATUS_ERROR_H_

#include <exception>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice {

// The exceptions of pipelines
// ===========================
//
// Inside a pipeline a stream ends in one of three ways: at its end (`Next` returns nullopt), by
// failure (`StatusError`), or because it was told to stop (`Cancelled`). The failure of one item is
// none of these: it is an item.
//
// Leaf functions that are no coroutines return absl::Status or absl::StatusOr; `ValueOrThrow` and
// `ThrowIfError` lead from there into a pipeline, `CurrentExceptionToStatus` leads out of it, at
// the job or RPC boundary.

// Ends a stream with a failure. REQUIRES: !status.ok().
class StatusError : public std::exception {
 public:
  explicit StatusError(absl::Status status)
      : status_(std::move(status)), what_(status_.ToString()) {}

  const absl::Status& status() const noexcept { return status_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  absl::Status status_;
  std::string what_;
};

// Ends a stream because somebody asked for it. Never an end-of-stream: a cut result must not look
// complete.
class Cancelled final : public StatusError {
 public:
  Cancelled() : StatusError(absl::CancelledError("cancelled")) {}
};

inline void ThrowIfStopRequested(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Cancelled();
}

inline void ThrowIfError(absl::Status status) {
  if (status.code() == absl::StatusCode::kCancelled) throw Cancelled();
  if (!status.ok()) throw StatusError(std::move(status));
}

template <typename T>
T ValueOrThrow(absl::StatusOr<T> value) {
  ThrowIfError(value.status());
  return *std::move(value);
}

// The status of the exception being handled: that of a StatusError, INTERNAL for any other.
// REQUIRES: called within a catch block.
absl::Status CurrentExceptionToStatus();

// The same for a stored exception; OK for nullptr.
absl::Status ToStatus(const std::exception_ptr& error);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_ASYNC_STATUS_ERROR_H_
