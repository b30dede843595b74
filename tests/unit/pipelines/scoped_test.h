#ifndef SLUICE_TESTS_UNIT_PIPELINES_SCOPED_TEST_H_
#define SLUICE_TESTS_UNIT_PIPELINES_SCOPED_TEST_H_

#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"

namespace sluice {

// What a program with concurrent stages needs: an executor (here the thread of the test), a clock
// (here one that the test moves) and a scope, which is stopped and joined at the end.
class ScopedTest : public testing::Test {
 protected:
  ~ScopedTest() override {
    scope_.RequestStop();
    EXPECT_NO_THROW(Run(scope_.Join()));
  }

  template <typename T>
  T Run(Task<T> task) {
    return executor_.Run(std::move(task));
  }

  InlineExecutor executor_;
  ManualClock clock_;
  JobScope scope_{executor_};
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_PIPELINES_SCOPED_TEST_H_
