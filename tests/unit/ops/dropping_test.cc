// What every combinator promises: whenever it is dropped or stopped, nothing is left: no item, no
// frame, no child.

#include <algorithm>
#include <cstddef>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/for_every_combinator.h"
#include "tests/unit/ops/stepped.h"

namespace sluice {
namespace {

constexpr int kItems = 6;

class Dropping : public EveryCombinatorTest {
 protected:
  using Run = Stepped<>;

  // Calls `end` on runs of which so many items were taken, then so many steps were made while
  // nobody asked, in all combinations until the sequence ends.
  void ForEveryMoment(void (*end)(Run&)) const {
    bool ended = false;
    for (std::size_t taken = 0; !ended; ++taken) {
      bool idle = false;
      for (int steps = 0; !idle; ++steps) {
        SCOPED_TRACE(testing::Message() << "after " << taken << " items and " << steps << " steps");
        Run run({.readiness = readiness(), .items = kItems});
        run.Apply(combinator());
        run.Pull(taken);
        ended = run.outcome().ended;
        for (int i = 0; i < steps && !idle; ++i) idle = !run.executor().RunOne();
        end(run);
        run.Finish();
        ASSERT_FALSE(HasFailure());
      }
    }
  }
};

TEST_F(Dropping, DroppedAndThenStoppedAtAnyMomentNothingIsLeft) {
  ForEveryCombinator([this] {
    ForEveryMoment([](Run& run) {
      run.Drop();
      run.Stop();
    });
  });
}

TEST_F(Dropping, StoppedAndThenDroppedAtAnyMomentNothingIsLeft) {
  ForEveryCombinator([this] {
    ForEveryMoment([](Run& run) {
      run.Stop();
      run.Drop();
    });
  });
}

TEST_F(Dropping, DroppedAndLeftAloneAtAnyMomentNothingIsLeft) {
  ForEveryCombinator([this] {
    ForEveryMoment([](Run& run) {
      run.Drop();
      run.RunUntilIdle();
    });
  });
}

TEST_F(Dropping, DroppedInAPoolOfThreadsAfterAnyNumberOfItemsNothingIsLeft) {
  ForEveryCombinator([this] {
    ThreadPool pool(2);
    SystemClock clock;
    bool ended = false;
    for (std::size_t taken = 0; !ended; ++taken) {
      SCOPED_TRACE(testing::Message() << "after " << taken << " items");
      Rig rig(pool, clock, {.readiness = readiness(), .items = kItems});
      {
        auto items = combinator().apply(rig.Source(), rig);
        // No more than it needs for these, so that it may be waiting for food when it is dropped.
        const int needed = ItemsNeededFor(combinator(), static_cast<int>(taken), kItems);
        rig.Feed(std::min(needed + combinator().bound - 1, kItems + 1));
        Outcome outcome;
        SyncWait(PullUpTo(taken, items, outcome));
        ended = outcome.ended;
      }
      rig.scope().RequestStop();
      EXPECT_NO_THROW(SyncWait(rig.scope().Join()));
      rig.ExpectNothingIsLeft();
    }
  });
}

}  // namespace
}  // namespace sluice
