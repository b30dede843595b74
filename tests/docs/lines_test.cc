// The stage that docs/pipelines.md writes in ten minutes.
#include "tests/docs/lines.h"

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/inspect.h"
#include "tests/docs/guide.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""s;

using LinesTest = Guide;

// [LinesTest]
AsyncGenerator<std::string> Chunks() { return FromValues<std::string>("a\nb", "c\n\n", "d"); }

TEST_F(LinesTest, JoinsWhatAChunkCutsAndKeepsEmptyLines) {
  EXPECT_EQ(All(Chunks() | Lines(10)), Words({"a", "bc", "", "d"}));
}

TEST_F(LinesTest, AsksForAChunkOnlyWhenTheLastOneIsUsedUp) {
  int asked_for = 0;
  auto lines = Chunks() | Inspect([&asked_for](const auto&) { ++asked_for; }) | Lines(10);
  EXPECT_EQ(asked_for, 0);
  EXPECT_EQ(Pull(lines), "a");
  EXPECT_EQ(asked_for, 1);
  EXPECT_EQ(Pull(lines), "bc");
  EXPECT_EQ(asked_for, 2);
}

TEST_F(LinesTest, ALineThatIsTooLongIsAnErrorBehindTheLinesBeforeIt) {
  auto lines = Chunks() | Lines(1);
  EXPECT_EQ(Pull(lines), "a");
  EXPECT_THROW(Pull(lines), StatusError);
}
// [/LinesTest]

// [ManualTest]
AsyncGenerator<std::string> SlowChunk(Executor& executor, Clock& clock, std::stop_token stop) {
  co_await Sleep(executor, clock, 1s, stop);
  co_yield std::string("late\n");
}

TEST(LinesByHand, WaitForTheirSourceAndGoOnWithIt) {
  ManualExecutor manual_executor;
  ManualClock clock;
  auto lines = SlowChunk(manual_executor, clock, {}) | Lines(10);
  Started next(NextOf(lines));
  clock.Advance(1s);
  EXPECT_FALSE(next.done());  // It is woken, but nobody has run it yet.
  manual_executor.RunAll();
  EXPECT_EQ(next.Get(), "late");
}
// [/ManualTest]

// [DropTest]
AsyncGenerator<std::string> Owner(std::shared_ptr<int> resource) {
  for (;; ++*resource) co_yield std::string("x\ny\n");
}

TEST_F(LinesTest, DroppingThemFreesWhatTheSourceHolds) {
  const auto resource = std::make_shared<int>(0);
  {
    auto lines = Owner(resource) | Lines(10);
    EXPECT_EQ(Pull(lines), "x");
    EXPECT_EQ(resource.use_count(), 2);
  }
  EXPECT_EQ(resource.use_count(), 1);
}
// [/DropTest]

}  // namespace
}  // namespace sluice
