#ifndef SLUICE_TESTS_DOCS_GUIDE_H_
#define SLUICE_TESTS_DOCS_GUIDE_H_

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"

// The examples of docs/pipelines.md. What stands there is cut out between the marks `// [Name]` and
// `// [/Name]` of the tests in this folder; snippets_test.py compares the two.

namespace sluice {

using Numbers = std::vector<int>;
using Words = std::vector<std::string>;

// What the examples have at hand: an executor (the thread of the test), a clock, and a scope, which
// is stopped and joined at the end.
struct Guide : testing::Test {
  ~Guide() override {
    scope.RequestStop();
    EXPECT_NO_THROW(Run(scope.Join()));
  }

  template <typename T>
  T Run(Task<T> task) {
    return executor.Run(std::move(task));
  }

  // All that is left of a sequence.
  template <typename T>
  std::vector<T> All(AsyncGenerator<T> items) {
    return Run(std::move(items) | Collect());
  }

  // From now on a millisecond passes whenever everybody who is ready has had a turn.
  void LetTimePass() { scope.Spawn(MoveClock(*this)); }

  InlineExecutor executor;
  ManualClock clock;
  JobScope scope{executor};

 private:
  static Task<> MoveClock(Guide& guide) {
    while (!guide.scope.stop_token().stop_requested()) {
      co_await guide.executor.Schedule();
      guide.clock.Advance(std::chrono::milliseconds(1));
    }
  }
};

}  // namespace sluice

#endif  // SLUICE_TESTS_DOCS_GUIDE_H_
