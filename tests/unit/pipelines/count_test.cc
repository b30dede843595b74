// The smallest generator there is, and the smallest loop that reads one.

#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/take.h"

namespace sluice {
namespace {

AsyncGenerator<int> Count(int last) {
  for (int i = 1; i <= last; ++i) co_yield i;
}

Task<int> Sum(AsyncGenerator<int> numbers) {
  int sum = 0;
  while (auto number = co_await numbers.Next()) sum += *number;
  co_return sum;
}

TEST(Count, YieldsEachNumberAndEnds) { EXPECT_EQ(SyncWait(Sum(Count(4))), 1 + 2 + 3 + 4); }

TEST(Count, OfNothingIsTheEmptySequence) { EXPECT_EQ(SyncWait(Sum(Count(0))), 0); }

AsyncGenerator<int> CountForever(int& computed) {
  while (true) {
    ++computed;
    co_yield computed;
  }
}

TEST(CountForever, ComputesWhatIsAskedForAndNoMore) {
  int computed = 0;
  EXPECT_EQ(SyncWait(CountForever(computed) | Take(3) | Collect()), std::vector({1, 2, 3}));
  EXPECT_EQ(computed, 3);
}

}  // namespace
}  // namespace sluice
