#ifndef SLUICE_PIPELINE_OPS_RECOVER_H_
#define SLUICE_PIPELINE_OPS_RECOVER_H_

#include <functional>
#include <utility>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

template <typename T, typename Handler>
AsyncGenerator<T> RecoverImpl(AsyncGenerator<T> source, Handler handler) {
  try {
    while (auto item = co_await source.Next()) co_yield *std::move(item);
    co_return;
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    source = std::invoke(handler, CurrentExceptionToStatus());
  }
  while (auto item = co_await source.Next()) co_yield *std::move(item);
}

}  // namespace internal

// Goes on with another generator where the source ends with an error:
// `handler(const absl::Status&) -> AsyncGenerator<T>`, which may throw, `throw;` being the very
// exception. Cancelled is no failure and is never recovered from.
//
//   auto entries = FromReplica() | Recover([&](const absl::Status& status) {
//     if (!absl::IsUnavailable(status)) throw;
//     return FromPrimary();
//   });
//
// What was yielded before the error stays yielded: the handler's generator goes on from there, and
// its own errors end the sequence. For the failure of one item, see OnError.
//
// Lazy: the handler is called at the error. Bound: pulled - yielded <= 1.
// Order: the source's, then that of the handler's generator; the source is dropped in between.
// Errors: those of the handler and of its generator. An exception that holds no status is INTERNAL.
// Cancellation: that of whoever is being pulled. Dropping: drops whoever is being pulled.
template <typename Handler>
auto Recover(Handler handler) {
  return [handler = std::move(handler)]<typename T>(AsyncGenerator<T> source) {
    return internal::RecoverImpl<T, Handler>(std::move(source), handler);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_RECOVER_H_
