#include "pipeline/ops/retry.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_range.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;

RetryOptions Options() {
  return {.max_attempts = 4,
          .initial_backoff = 10ms,
          .max_backoff = 25ms,
          .retryable = {absl::StatusCode::kUnavailable, absl::StatusCode::kAborted}};
}

// A service that holds 0, 1, ... and breaks each time after `before_break` items.
class Flaky final {
 public:
  Flaky(int before_break, int end) : before_break_(before_break), end_(end) {}

  AsyncGenerator<int> ReadFrom(std::uint64_t first) {
    opened_at.push_back(first);
    const DropMark mark(log);
    for (int i = 0; i < before_break_; ++i) {
      const int value = static_cast<int>(first) + i;
      if (value == end_) co_return;
      co_yield value;
    }
    throw StatusError(failure);
  }

  absl::Status failure = absl::UnavailableError("flaky");
  std::vector<std::uint64_t> opened_at;
  SourceLog log;

 private:
  const int before_break_;
  const int end_;
};

class RetryTest : public testing::Test {
 protected:
  AsyncGenerator<int> Read(Flaky& service, RetryOptions options = Options()) {
    return Retry(scope_, clock_, std::move(options),
                 [&service](std::uint64_t yielded) { return service.ReadFrom(yielded); });
  }
  // How long the awaited task needs, if only time is missing.
  template <typename T>
  Clock::Duration TimeUntilDone(const Started<T>& awaited) {
    const Clock::TimePoint start = clock_.Now();
    executor_.RunAll();
    while (!awaited.done()) {
      clock_.Advance(1ms);
      executor_.RunAll();
    }
    return clock_.Now() - start;
  }

  ManualExecutor executor_;
  ManualClock clock_;
  JobScope scope_{executor_};
};

template <typename T>
absl::Status FailureOf(Started<T>& started) {
  try {
    started.Get();
    return absl::OkStatus();
  } catch (const StatusError& error) {
    return error.status();
  }
}

TEST_F(RetryTest, OpensNothingBeforeTheFirstNext) {
  Flaky service(1, 3);
  auto items = Read(service);
  EXPECT_TRUE(service.opened_at.empty());
}

TEST_F(RetryTest, GoesOnBehindWhatHasComeOut) {
  Flaky service(2, 5);
  Started all(Read(service) | Collect());
  EXPECT_EQ(TimeUntilDone(all), 20ms);
  EXPECT_EQ(all.Get(), (std::vector{0, 1, 2, 3, 4}));
  EXPECT_EQ(service.opened_at, (std::vector<std::uint64_t>{0, 2, 4}));
}

TEST_F(RetryTest, WaitsLongerEachTimeUpToTheLongestBackoff) {
  Flaky service(0, 1);
  Started all(Read(service) | Collect());
  for (const Clock::Duration wait : {10ms, 20ms, 25ms}) {
    const auto opened = service.opened_at.size();
    clock_.Advance(wait - 1ns);
    executor_.RunAll();
    EXPECT_EQ(service.opened_at.size(), opened);
    clock_.Advance(1ns);
    executor_.RunAll();
    EXPECT_EQ(service.opened_at.size(), opened + 1);
  }
  ASSERT_TRUE(all.done()) << "that was the last attempt";
  EXPECT_EQ(FailureOf(all), service.failure);
}

TEST_F(RetryTest, AttemptsAndBackoffCountAnewAfterProgress) {
  Flaky service(1, 20);
  Started all(Read(service) | Collect());
  EXPECT_EQ(TimeUntilDone(all), 20 * 10ms);
  EXPECT_EQ(all.Get().size(), 20U);
}

TEST_F(RetryTest, OneAttemptIsNoRetry) {
  RetryOptions options = Options();
  options.max_attempts = 1;
  Flaky service(1, 20);
  Started all(Read(service, options) | Collect());
  ASSERT_TRUE(all.done());
  EXPECT_EQ(FailureOf(all), service.failure);
}

TEST_F(RetryTest, AnErrorThatIsNotNamedIsFinal) {
  Flaky service(1, 20);
  service.failure = absl::DataLossError("gone");
  Started all(Read(service) | Collect());
  ASSERT_TRUE(all.done());
  EXPECT_EQ(FailureOf(all), service.failure);
}

TEST_F(RetryTest, CancelledIsNeverTriedAgain) {
  RetryOptions options = Options();
  options.retryable.push_back(absl::StatusCode::kCancelled);
  int opened = 0;
  Started all(Retry(scope_, clock_, options,
                    [&opened](std::uint64_t) -> AsyncGenerator<int> {
                      ++opened;
                      throw Cancelled();
                    }) |
              Collect());
  ASSERT_TRUE(all.done());
  EXPECT_THROW(all.Get(), Cancelled);
  EXPECT_EQ(opened, 1);
}

TEST_F(RetryTest, AnExceptionOfAnotherKindIsFinal) {
  SourceLog log;
  Started all(
      Retry(scope_, clock_, Options(), [&log](std::uint64_t) { return CountToThenThrow(2, log); }) |
      Collect());
  ASSERT_TRUE(all.done());
  EXPECT_THROW(all.Get(), std::runtime_error);
}

TEST_F(RetryTest, WhatOpenThrowsCountsAsItsSources) {
  Flaky service(5, 2);
  int refused = 0;
  Started all(Retry(scope_, clock_, Options(),
                    [&](std::uint64_t yielded) {
                      if (++refused <= 2) throw StatusError(absl::AbortedError("not yet"));
                      return service.ReadFrom(yielded);
                    }) |
              Collect());
  EXPECT_EQ(TimeUntilDone(all), 30ms);
  EXPECT_EQ(all.Get(), (std::vector{0, 1}));
}

TEST_F(RetryTest, ABrokenSourceIsDroppedBeforeTheWait) {
  Flaky service(0, 1);
  Started all(Read(service) | Collect());
  EXPECT_FALSE(all.done());
  EXPECT_TRUE(service.log.dropped);
  TimeUntilDone(all);
}

TEST_F(RetryTest, AStopEndsTheWait) {
  Flaky service(0, 1);
  Started all(Read(service) | Collect());
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(all.Get(), Cancelled);
  EXPECT_EQ(service.opened_at.size(), 1U);
}

// Fails `failures` times for each item.
class FlakyCall final {
 public:
  explicit FlakyCall(int failures) : failures_(failures) {}

  Task<int> Square(const int& item) {
    items_seen.push_back(item);
    if (failed_++ < failures_) throw StatusError(absl::UnavailableError("flaky"));
    failed_ = 0;
    co_return item* item;
  }

  std::vector<int> items_seen;

 private:
  const int failures_;
  int failed_ = 0;
};

class RetryEachTest : public RetryTest {
 protected:
  Task<std::vector<int>> Squares(FlakyCall& call, AsyncGenerator<int> source) {
    return std::move(source) |
           RetryEach(scope_, clock_, Options(),
                     [&call](const int& item) { return call.Square(item); }) |
           Collect();
  }
};

TEST_F(RetryEachTest, TriesTheSameItemAgainAndKeepsTheOrder) {
  FlakyCall call(2);
  Started all(Squares(call, FromRange(std::vector{2, 3})));
  EXPECT_EQ(TimeUntilDone(all), 60ms) << "attempts and backoff count anew for each item";
  EXPECT_EQ(all.Get(), (std::vector{4, 9}));
  EXPECT_EQ(call.items_seen, (std::vector{2, 2, 2, 3, 3, 3}));
}

TEST_F(RetryEachTest, ThrowsTheLastAttemptsError) {
  FlakyCall call(4);
  Started all(Squares(call, FromRange(std::vector{2, 3})));
  EXPECT_EQ(TimeUntilDone(all), 55ms);
  EXPECT_TRUE(absl::IsUnavailable(FailureOf(all)));
  EXPECT_EQ(call.items_seen.size(), 4U);
}

TEST_F(RetryEachTest, AnErrorOfTheSourceIsFinal) {
  Flaky service(1, 5);
  FlakyCall call(0);
  Started all(Squares(call, service.ReadFrom(0)));
  ASSERT_TRUE(all.done());
  EXPECT_EQ(FailureOf(all), service.failure);
}

TEST_F(RetryEachTest, AStopEndsTheWait) {
  FlakyCall call(1);
  Started all(Squares(call, FromRange(std::vector{2})));
  EXPECT_FALSE(all.done());
  scope_.RequestStop();
  executor_.RunAll();
  EXPECT_THROW(all.Get(), Cancelled);
}

}  // namespace
}  // namespace sluice
