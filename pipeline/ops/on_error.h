#ifndef SLUICE_PIPELINE_OPS_ON_ERROR_H_
#define SLUICE_PIPELINE_OPS_ON_ERROR_H_

#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename Handler>
AsyncGenerator<T> OnErrorImpl(AsyncGenerator<absl::StatusOr<T>> source, Handler handler) {
  while (auto item = co_await source.Next()) {
    if (item->ok()) {
      co_yield **std::move(item);
      continue;
    }
    std::optional<T> replacement = std::invoke(handler, item->status());
    if (replacement) co_yield *std::move(replacement);
  }
}

}  // namespace internal

// Decides what the failure of one item means, so that what follows sees values only:
// `handler(const absl::Status&)` returns a value that takes the item's place, or nullopt, which
// drops it, or throws, which ends the sequence.
//
//   absl::StatusOr<Size> SizeOf(Path path);
//   auto sizes = Paths() | Transform(SizeOf) | OnError(DropErrors());
//
// The end of the sequence itself is not its business: see Recover.
//
// Lazy. Bound: pulled - (yielded + dropped) <= 1. Order: the source's.
// Errors: those of the source, and what `handler` throws, end the sequence.
// Cancellation: the source's. Dropping: drops the source.
template <typename Handler>
auto OnError(Handler handler) {
  return [handler = std::move(handler)]<typename T>(AsyncGenerator<absl::StatusOr<T>> source) {
    return internal::OnErrorImpl<T, Handler>(std::move(source), handler);
  };
}

// Handler: items that failed are left out.
inline auto DropErrors() {
  return [](const absl::Status& /*status*/) { return std::nullopt; };
}

// Handler: a copy of `value` stands for each item that failed.
template <typename T>
auto ReplaceErrors(T value) {
  return [value = std::move(value)](const absl::Status& /*status*/) { return value; };
}

// Handler: the first failure ends the sequence with a StatusError; one that says CANCELLED, with
// Cancelled.
inline auto StopAtError() {
  return [](const absl::Status& status) {
    ThrowIfError(status);
    return std::nullopt;
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_ON_ERROR_H_
