// What every combinator promises: it is lazy, and pulled - handed over <= its documented bound, at
// every step.

#include "gtest/gtest.h"

#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/for_every_combinator.h"
#include "tests/unit/ops/stepped.h"

namespace sluice {
namespace {

constexpr int kItems = 20;

class ReadAhead : public EveryCombinatorTest {
 protected:
  // `handed_over` have come out and the next is asked for: it may be pulled too.
  int BoundWhileAsked(int handed_over) const {
    return ItemsNeededFor(combinator(), handed_over + 1, kItems) + combinator().bound - 1;
  }
  int BoundWhileNobodyAsks(int handed_over) const {
    const bool prefetches = combinator().bound > 1;
    return ItemsNeededFor(combinator(), handed_over, kItems) +
           (prefetches ? combinator().bound : 0);
  }
};

TEST_F(ReadAhead, ProducedMinusConsumedStaysWithinTheBound) {
  ForEveryCombinator([this] {
    Stepped run({.readiness = readiness(), .items = kItems});
    run.Apply(combinator());
    for (int handed_over = 0; !run.outcome().ended; ++handed_over) {
      run.StartPulling(handed_over + 1);
      ASSERT_LE(run.rig().produced(), BoundWhileAsked(handed_over));
      while (run.pulling()) {
        run.Step();
        ASSERT_LE(run.rig().produced(), BoundWhileAsked(handed_over))
            << "asked for " << handed_over;
      }
      if (run.outcome().ended) break;
      run.rig().Feed(2);  // More than was asked for.
      run.RunUntilIdle();
      ASSERT_LE(run.rig().produced(), BoundWhileNobodyAsks(handed_over + 1));
    }
    EXPECT_TRUE(
        IsAllOf(run.outcome().values, Expected(combinator(), kItems), combinator().ordered));
  });
}

TEST_F(ReadAhead, NothingRunsBeforeTheFirstNext) {
  ForEveryCombinator([this] {
    Stepped run({.readiness = readiness(), .items = kItems});
    run.Apply(combinator());
    EXPECT_FALSE(run.executor().RunOne());
    EXPECT_EQ(run.rig().produced(), 0);
    EXPECT_EQ(run.rig().scope().live(), 0U);
  });
}

}  // namespace
}  // namespace sluice
