// What every combinator promises: produced - consumed <= its documented bound, at every step.

#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/ops/unbatch.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;

Task<int> Later(int value) { co_return value; }

Task<int> AfterAHop(Executor& executor, int value) {
  co_await executor.Schedule();
  co_return value;
}

struct Case {
  std::string name;
  int bound;
  std::function<AsyncGenerator<int>(AsyncGenerator<int>, JobScope&, Clock&)> apply;
};

void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

AsyncGenerator<int> ApplyTransformConcurrently(AsyncGenerator<int> source, JobScope& scope,
                                               Clock& /*clock*/) {
  const auto fn = [&executor = scope.executor()](int value, const std::stop_token& /*stop*/) {
    return AfterAHop(executor, value);
  };
  return std::move(source) | TransformConcurrently(scope, 5, fn);
}

// One batch is being handed out item by item while the next is filled.
AsyncGenerator<int> ApplyBatchAndUnbatch(AsyncGenerator<int> source, JobScope& scope,
                                         Clock& clock) {
  return std::move(source) | Batch(scope, clock, {.max_items = 4, .max_delay = 10ms}) | Unbatch();
}

template <typename Stage>
Case Plain(std::string name, Stage stage) {
  return {std::move(name), 1, [stage](AsyncGenerator<int> source, JobScope&, Clock&) {
            return std::move(source) | stage;
          }};
}

class ReadAhead : public testing::TestWithParam<Case> {
 protected:
  static constexpr int kItems = 50;

  // Whoever asks for an item before it is consumed is caught after the step in which it did.
  void RunUntilDone(const Started<std::optional<int>>& next, int consumed) {
    EXPECT_LE(log_.produced - consumed, GetParam().bound);
    while (executor_.RunOne()) EXPECT_LE(log_.produced - consumed, GetParam().bound);
    ASSERT_TRUE(next.done());
  }

  ManualExecutor executor_;
  ManualClock clock_;
  SourceLog log_;
};

TEST_P(ReadAhead, ProducedMinusConsumedStaysWithinTheBound) {
  JobScope scope(executor_);
  {
    auto items = GetParam().apply(HopBeforeEach(executor_, kItems, log_), scope, clock_);
    EXPECT_EQ(log_.produced, 0) << "lazy";
    for (int consumed = 0; consumed < kItems; ++consumed) {
      Started next(NextOf(items));
      RunUntilDone(next, consumed);
      EXPECT_EQ(next.Get(), consumed) << "in order";
    }
    Started end(NextOf(items));
    RunUntilDone(end, kItems);
    EXPECT_EQ(end.Get(), std::nullopt);
  }
  Started join(scope.Join());
  executor_.RunAll();
  EXPECT_NO_THROW(join.Get());
}

INSTANTIATE_TEST_SUITE_P(
    Combinators, ReadAhead,
    testing::Values(Plain("Filter", Filter([](int) { return true; })),
                    Plain("Transform", Transform([](int value) { return value; })),
                    Plain("TransformAwaiting", Transform(Later)), Plain("Take", Take(50)),
                    Case{"TransformConcurrently", 5, ApplyTransformConcurrently},
                    Case{"BatchAndUnbatch", 8, ApplyBatchAndUnbatch}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace sluice
