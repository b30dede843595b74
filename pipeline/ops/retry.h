#ifndef SLUICE_PIPELINE_OPS_RETRY_H_
#define SLUICE_PIPELINE_OPS_RETRY_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

struct RetryOptions {
  // In a row without success, the first one included.
  std::size_t max_attempts;
  // The wait after the first failure; each further one is `multiplier` times as long, up to
  // max_backoff. Exact: there is no jitter.
  Clock::Duration initial_backoff;
  Clock::Duration max_backoff;
  double multiplier = 2;
  // A failure by a StatusError of another code, by Cancelled or by another exception is final.
  std::vector<absl::StatusCode> retryable = {};
};

namespace internal {

// Counts the failures in a row.
class Attempts final {
 public:
  explicit Attempts(const RetryOptions& options) : options_(options) {}

  void Succeeded() {
    failures_ = 0;
    backoff_ = options_.initial_backoff;
  }

  // How long to wait before the next attempt. Throws `error` if there is to be none.
  Clock::Duration BackoffAfter(const std::exception_ptr& error) {
    ++failures_;
    if (failures_ >= options_.max_attempts || !IsRetryable(error)) std::rethrow_exception(error);
    // Compared as double: the product may be more than a Duration holds.
    const double longer = static_cast<double>(backoff_.count()) * options_.multiplier;
    const Clock::Duration next = longer < static_cast<double>(options_.max_backoff.count())
                                     ? Clock::Duration(static_cast<Clock::Duration::rep>(longer))
                                     : options_.max_backoff;
    return std::min(std::exchange(backoff_, next), options_.max_backoff);
  }

 private:
  bool IsRetryable(const std::exception_ptr& error) const {
    try {
      std::rethrow_exception(error);
    } catch (const Cancelled&) {
      return false;
    } catch (const StatusError& failure) {
      return std::find(options_.retryable.begin(), options_.retryable.end(),
                       failure.status().code()) != options_.retryable.end();
    } catch (...) {
      return false;
    }
  }

  const RetryOptions& options_;
  std::size_t failures_ = 0;
  Clock::Duration backoff_ = options_.initial_backoff;
};

inline void CheckRetryOptions([[maybe_unused]] const RetryOptions& options) {
  assert(options.max_attempts >= 1 && options.multiplier >= 1);
  assert(options.initial_backoff >= Clock::Duration::zero());
  assert(options.max_backoff >= Clock::Duration::zero());
}

template <typename T, typename Open>
AsyncGenerator<T> RetryImpl(JobScope& scope, Clock& clock, RetryOptions options, Open open) {
  Attempts attempts(options);
  std::uint64_t yielded = 0;
  while (true) {
    std::exception_ptr error;
    try {
      AsyncGenerator<T> source = std::invoke(open, yielded);
      while (auto item = co_await source.Next()) {
        attempts.Succeeded();
        ++yielded;
        co_yield *std::move(item);
      }
      co_return;
    } catch (...) {
      error = std::current_exception();
    }
    co_await Sleep(scope.executor(), clock, attempts.BackoffAfter(error), scope.stop_token());
  }
}

template <typename R, typename T, typename Fn>
AsyncGenerator<R> RetryEachImpl(AsyncGenerator<T> source, JobScope& scope, Clock& clock,
                                RetryOptions options, Fn fn) {
  while (auto item = co_await source.Next()) {
    Attempts attempts(options);
    std::optional<R> result;
    while (!result) {
      std::exception_ptr error;
      try {
        result.emplace(co_await std::invoke(fn, std::as_const(*item)));
        continue;
      } catch (...) {
        error = std::current_exception();
      }
      co_await Sleep(scope.executor(), clock, attempts.BackoffAfter(error), scope.stop_token());
    }
    co_yield *std::move(result);
  }
}

}  // namespace internal

// A source that is opened again when it breaks, and goes on behind what it has already yielded.
//
//   auto rows = Retry(scope, clock,
//                     {.max_attempts = 5, .initial_backoff = 100ms, .max_backoff = 10s,
//                      .retryable = {absl::StatusCode::kUnavailable}},
//                     [&](std::uint64_t yielded) { return ReadRows(server, yielded); });
//
// `open(std::uint64_t yielded) -> AsyncGenerator<T>` makes each attempt's source; the argument is
// the number of items that have come out, so the first of the new source is to be the next one.
// Attempts and backoff count anew after each item.
//
// Lazy: `open` is called by the first Next. Bound: pulled - yielded <= 1. A broken source is
// dropped before the wait.
// Errors: one that is not retryable, or the last attempt's, is thrown as it is; what `open` throws
// counts as its source's. Cancelled is never tried again.
// Cancellation: the source's; a stop of the scope ends a wait with Cancelled.
// Lifetime: `scope` and `clock` outlive the generator.
// REQUIRES: max_attempts >= 1, multiplier >= 1, no backoff below zero.
template <typename Open>
auto Retry(JobScope& scope, Clock& clock, RetryOptions options, Open open) {
  using T = typename std::invoke_result_t<Open&, std::uint64_t>::value_type;
  internal::CheckRetryOptions(options);
  return internal::RetryImpl<T, Open>(scope, clock, std::move(options), std::move(open));
}

// A Transform whose `fn(const T&) -> Task<R>` is tried again for the same item when it fails.
//
//   files | RetryEach(scope, clock, options, [&](const File& file) { return Upload(file); })
//
// Lazy. Bound: pulled - yielded <= 1. Order: the source's; an item that is tried again holds up
// those behind it. Attempts and backoff count anew for each item.
// Errors: as Retry's for those of `fn`, which end the sequence then. Those of the source end it at
// once.
// Cancellation: the source's, and what `fn` itself listens to; a stop of the scope ends a wait with
// Cancelled. Lifetime and REQUIRES: as Retry.
template <typename Fn>
auto RetryEach(JobScope& scope, Clock& clock, RetryOptions options, Fn fn) {
  internal::CheckRetryOptions(options);
  return [&scope, &clock, options = std::move(options),
          fn = std::move(fn)]<typename T>(AsyncGenerator<T> source) {
    using R = typename std::invoke_result_t<Fn&, const T&>::value_type;
    return internal::RetryEachImpl<R, T, Fn>(std::move(source), scope, clock, options, fn);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_RETRY_H_
