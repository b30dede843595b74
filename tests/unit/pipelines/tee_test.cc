// One sequence, two questions: how many, and how much? The source is read once.

#include "pipeline/ops/tee.h"

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/reduce.h"
#include "tests/unit/ops/sources.h"
#include "tests/unit/pipelines/scoped_test.h"

namespace sluice {
namespace {

class TeeForCountAndSum : public ScopedTest {
 protected:
  struct Answers {
    std::uint64_t count = 0;
    std::int64_t sum = 0;
  };

  static Task<> CountThem(AsyncGenerator<int> numbers, Answers& answers) {
    answers.count = co_await (std::move(numbers) | Count());
  }
  static Task<> AddThem(AsyncGenerator<int> numbers, Answers& answers) {
    answers.sum = co_await (std::move(numbers) | Reduce(std::int64_t{0}, std::plus()));
  }

  // Each branch has its own consumer: one that read the first to its end before it began with the
  // second would wait for itself.
  Answers AnswersAbout(AsyncGenerator<int> numbers) {
    Answers answers;
    auto branches = std::move(numbers) | Tee(scope_, 2, /*bound=*/16);
    scope_.Spawn(CountThem(std::move(branches[0]), answers));
    scope_.Spawn(AddThem(std::move(branches[1]), answers));
    Run(scope_.Join());
    return answers;
  }

  SourceLog log_;
};

TEST_F(TeeForCountAndSum, AnswersBothFromOneReading) {
  const Answers answers = AnswersAbout(CountTo(1'000, log_));
  EXPECT_EQ(answers.count, 1'000U);
  EXPECT_EQ(answers.sum, 999 * 1'000 / 2);
  EXPECT_EQ(log_.produced, 1'000);
}

TEST_F(TeeForCountAndSum, FailsIfTheSourceFails) {
  EXPECT_THROW(AnswersAbout(CountToThenThrow(10, log_)), std::runtime_error);
}

}  // namespace
}  // namespace sluice
