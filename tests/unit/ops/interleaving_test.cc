// Pipelines under an executor that resumes whoever is ready in a random order, with a clock that
// moves at random. A failure names its seed, which alone decides the run.

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/ops/unbatch.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/sources.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;

constexpr int kItems = 40;

class ShuffledExecutor final : public Executor {
 public:
  explicit ShuffledExecutor(unsigned seed) : random_(seed) {}

  void Post(std::coroutine_handle<> coroutine) override { ready_.push_back(coroutine); }
  void Hurry(std::coroutine_handle<> /*coroutine*/) override {}  // Its turn is a matter of chance.
  bool HasBacklog() const override { return !ready_.empty(); }

  bool RunOne() {
    if (ready_.empty()) return false;
    std::swap(ready_[Below(ready_.size())], ready_.back());
    const std::coroutine_handle<> coroutine = ready_.back();
    ready_.pop_back();
    coroutine.resume();
    return true;
  }

  std::size_t Below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }

 private:
  std::mt19937 random_;
  std::vector<std::coroutine_handle<>> ready_;
};

Task<int> HopSomeTimes(Executor& executor, int hops, int value) {
  for (int i = 0; i < hops; ++i) co_await executor.Schedule();
  co_return value;
}

AsyncGenerator<int> MakePipeline(AsyncGenerator<int> source, JobScope& scope, Clock& clock) {
  const auto work = [&executor = scope.executor()](int value, const std::stop_token& /*stop*/) {
    return HopSomeTimes(executor, value % 4, value);
  };
  return std::move(source) | TransformConcurrently(scope, 3, work) |
         Batch(scope, clock, {.max_items = 4, .max_delay = 3ms}) | Unbatch();
}

// One seed's executor, clock and source.
class Interleaving final {
 public:
  explicit Interleaving(unsigned seed) : executor_(seed) {}

  AsyncGenerator<int> Start(JobScope& scope) {
    return MakePipeline(HopBeforeEach(executor_, kItems, log_), scope, clock_);
  }
  // One step of whatever may happen next. False when nothing can but time.
  bool Step() {
    if (executor_.Below(4) == 0) clock_.Advance(1ms);
    return executor_.RunOne();
  }
  template <typename T>
  void RunUntilDone(const Started<T>& awaited) {
    while (!awaited.done()) {
      if (!Step()) clock_.Advance(1ms);
    }
  }
  void ExpectNothingIsLeft(JobScope& scope) {
    Started join(scope.Join());
    RunUntilDone(join);
    EXPECT_NO_THROW(join.Get());
    EXPECT_EQ(log_.dropped, log_.produced > 0);
  }
  ShuffledExecutor& executor() { return executor_; }

 private:
  ShuffledExecutor executor_;
  ManualClock clock_;
  SourceLog log_;
};

// Calls `test` with 200 seeds; a failure names its seed.
void ForEachSeed(void (*test)(Interleaving&)) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Interleaving run(seed);
    test(run);
  }
}

TEST(RandomInterleaving, EveryItemComesOnceAndInOrder) {
  ForEachSeed([](Interleaving& run) {
    JobScope scope(run.executor());
    Started all(run.Start(scope) | Collect());
    run.RunUntilDone(all);
    std::vector<int> expected(kItems);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(all.Get(), expected);
    run.ExpectNothingIsLeft(scope);
  });
}

TEST(RandomInterleaving, DroppingAtAnyPointLeavesNothingBehind) {
  ForEachSeed([](Interleaving& run) {
    JobScope scope(run.executor());
    const std::size_t taken = run.executor().Below(kItems);
    Started some(run.Start(scope) | Take(taken) | Collect());
    run.RunUntilDone(some);
    EXPECT_EQ(some.Get().size(), taken);
    run.ExpectNothingIsLeft(scope);
  });
}

TEST(RandomInterleaving, StoppingAtAnyPointEndsWithCancelledOrAllItems) {
  ForEachSeed([](Interleaving& run) {
    JobScope scope(run.executor());
    Started all(run.Start(scope) | Collect());
    for (std::size_t steps = run.executor().Below(300); steps > 0; --steps) run.Step();
    scope.RequestStop();
    run.RunUntilDone(all);
    try {
      EXPECT_EQ(all.Get().size(), std::size_t{kItems}) << "a cut result must not look complete";
    } catch (const Cancelled&) {
      SUCCEED();
    }
    run.ExpectNothingIsLeft(scope);
  });
}

}  // namespace
}  // namespace sluice
