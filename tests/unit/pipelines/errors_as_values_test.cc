// One bad line is not the end of the file: its failure is an item like any other, and whoever
// assembles the pipeline says what it means.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/on_error.h"
#include "pipeline/ops/transform.h"

namespace sluice {
namespace {

absl::StatusOr<int> ParseNumber(const std::string& line) {
  int number = 0;
  if (absl::SimpleAtoi(line, &number)) return number;
  return absl::InvalidArgumentError("no number: " + line);
}

AsyncGenerator<absl::StatusOr<int>> Numbers() {
  return FromValues<std::string>("1", "two", "3") | Transform(ParseNumber);
}

TEST(ErrorsAsValues, TheItemsAfterAFailureComeAsWell) {
  const auto numbers = SyncWait(Numbers() | Collect());
  ASSERT_EQ(numbers.size(), 3U);
  EXPECT_EQ(numbers[0].value(), 1);
  EXPECT_EQ(numbers[1].status().message(), "no number: two");
  EXPECT_EQ(numbers[2].value(), 3);
}

TEST(ErrorsAsValues, MayBeDroppedOrReplaced) {
  EXPECT_EQ(SyncWait(Numbers() | OnError(DropErrors()) | Collect()), std::vector({1, 3}));
  EXPECT_EQ(SyncWait(Numbers() | OnError(ReplaceErrors(0)) | Collect()), std::vector({1, 0, 3}));
}

TEST(ErrorsAsValues, MayBeMadeTheEnd) {
  EXPECT_THROW(SyncWait(Numbers() | OnError(StopAtError()) | Collect()), StatusError);
}

Task<std::pair<int, int>> SumAndFailures(AsyncGenerator<absl::StatusOr<int>> numbers) {
  std::pair<int, int> result;
  while (auto number = co_await numbers.Next()) {
    if (number->ok()) {
      result.first += **number;
    } else {
      ++result.second;
    }
  }
  co_return result;
}

TEST(ErrorsAsValues, MayBeCountedByAnOrdinaryLoop) {
  EXPECT_EQ(SyncWait(SumAndFailures(Numbers())), std::pair(4, 1));
}

}  // namespace
}  // namespace sluice
