#include "pipeline/async/inline_executor.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;

Task<std::thread::id> ThreadAfterAHop(Executor& executor) {
  co_await executor.Schedule();
  co_return std::this_thread::get_id();
}

TEST(InlineExecutor, RunsWhatIsPostedOnTheThreadThatWaits) {
  InlineExecutor executor;
  EXPECT_EQ(executor.Run(ThreadAfterAHop(executor)), std::this_thread::get_id());
}

Task<> CountAfterAHop(Executor& executor, int& count) {
  co_await executor.Schedule();
  ++count;
}

Task<> JoinChildren(Executor& executor, int& count) {
  JobScope scope(executor);
  for (int i = 0; i < 3; ++i) scope.Spawn(CountAfterAHop(executor, count));
  co_await scope.Join();
}

TEST(InlineExecutor, RunsChildrenBesideTheirParent) {
  InlineExecutor executor;
  int count = 0;
  executor.Run(JoinChildren(executor, count));
  EXPECT_EQ(count, 3);
}

Task<> Fail(Executor& executor) {
  co_await executor.Schedule();
  throw std::runtime_error("broke");
}

TEST(InlineExecutor, ThrowsWhatTheTaskThrows) {
  InlineExecutor executor;
  EXPECT_THROW(executor.Run(Fail(executor)), std::runtime_error);
}

TEST(InlineExecutor, WaitsForPostsOfOtherThreads) {
  InlineExecutor executor;
  SystemClock clock;
  const Clock::TimePoint start = clock.Now();
  executor.Run(Sleep(executor, clock, 2ms));
  EXPECT_GE(clock.Now() - start, 2ms);
}

Task<> HopOnto(Executor& other) { co_await other.Schedule(); }

TEST(InlineExecutor, EndsThoughTheTaskEndsOnAnotherThread) {
  ThreadPool pool(1);
  InlineExecutor executor;
  EXPECT_NO_THROW(executor.Run(HopOnto(pool)));
}

}  // namespace
}  // namespace sluice
