// What every combinator promises when something breaks: what was to come before comes, then the
// error or Cancelled, never an end that looks complete; and nothing is left.

#include <cstddef>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/for_every_combinator.h"
#include "tests/unit/ops/stepped.h"

namespace sluice {
namespace {

constexpr int kItems = 7;

class Failing : public EveryCombinatorTest {
 protected:
  Script ScriptOf(int source_fails_at, int callable_fails_at) const {
    return {.readiness = readiness(),
            .items = kItems,
            .source_fails_at = source_fails_at,
            .callable_fails_at = callable_fails_at};
  }

  void ExpectAllItems(const Outcome& outcome) const {
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.end, absl::OkStatus());
    ExpectAllOf(Expected(combinator(), kItems), outcome);
  }

  void ExpectError(const absl::Status& error, const Outcome& outcome) const {
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.end, error);
  }

  void ExpectAllOf(const Values& expected, const Outcome& outcome) const {
    EXPECT_TRUE(IsAllOf(outcome.values, expected, combinator().ordered))
        << testing::PrintToString(outcome.values) << " is not " << testing::PrintToString(expected);
  }

  void ExpectPartOf(const Values& expected, const Outcome& outcome) const {
    EXPECT_TRUE(IsPartOf(outcome.values, expected, combinator().ordered))
        << testing::PrintToString(outcome.values) << " is no part of "
        << testing::PrintToString(expected);
  }

  // The source broke where item `before` was to come.
  void ExpectSourceErrorAfter(int before, const Outcome& outcome) const {
    if (before >= combinator().ends_after) return ExpectAllItems(outcome);
    if (combinator().recovered) {
      EXPECT_EQ(outcome.end, absl::OkStatus());
      return ExpectAllOf(combinator().recovered(before, kItems), outcome);
    }
    ExpectError(Rig::SourceError(), outcome);
    ExpectBefore(before, outcome);
  }

  // The results of the first `items` have come, unless they are one result. Where order is not
  // kept, others may have come instead.
  void ExpectBefore(int items, const Outcome& outcome) const {
    if (combinator().all_or_nothing) return ExpectAllOf({}, outcome);
    if (!combinator().ordered) return ExpectPartOf(Expected(combinator(), kItems), outcome);
    ExpectAllOf(ExpectedBeforeTheEnd(combinator(), items), outcome);
  }

  // Cut at an unknown moment.
  void ExpectCancelledOrAllItems(const Outcome& outcome) const {
    if (outcome.end.ok()) return ExpectAllItems(outcome);
    ExpectError(absl::CancelledError("cancelled"), outcome);
    ExpectPartOf(Expected(combinator(), kItems), outcome);
  }
};

TEST_F(Failing, AnErrorOfTheSourceComesAfterTheItemsBeforeIt) {
  ForEveryCombinator([this] {
    for (int before = 0; before <= kItems; ++before) {
      SCOPED_TRACE(testing::Message() << "error after " << before << " items");
      Stepped run(ScriptOf(before, kNever));
      run.Apply(combinator());
      run.PullToTheEnd();
      ExpectSourceErrorAfter(before, run.outcome());
      run.Finish();
    }
  });
}

TEST_F(Failing, AnErrorOfTheCallableComesInItsItemsPlace) {
  ForEveryCombinator([this] {
    for (int place = 0; place < kItems; ++place) {
      SCOPED_TRACE(testing::Message() << "error at item " << place);
      Stepped run(ScriptOf(kNever, place));
      run.Apply(combinator());
      run.PullToTheEnd();
      if (run.rig().callable_failed()) {
        ExpectError(Rig::CallableError(), run.outcome());
        ExpectBefore(place, run.outcome());
      } else {
        ExpectAllItems(run.outcome());
      }
      run.Finish();
    }
  });
}

TEST_F(Failing, AfterAnErrorThereIsNothingMore) {
  ForEveryCombinator([this] {
    Stepped run(ScriptOf(2, kNever));
    run.Apply(combinator());
    run.PullToTheEnd();
    const Outcome first = run.outcome();
    run.PullToTheEnd();
    EXPECT_EQ(run.outcome().values, first.values);
    EXPECT_EQ(run.outcome().end, first.end) << "the error is not thrown again";
  });
}

TEST_F(Failing, StoppedBetweenTwoItemsEndsWithCancelledOrAllItems) {
  ForEveryCombinator([this] {
    for (std::size_t taken = 0; taken <= kItems + 3; ++taken) {
      SCOPED_TRACE(testing::Message() << "stopped after " << taken << " items");
      Stepped run(ScriptOf(kNever, kNever));
      run.Apply(combinator());
      run.Pull(taken);
      run.Stop();
      if (!run.outcome().ended) run.PullToTheEnd();
      ExpectCancelledOrAllItems(run.outcome());
      run.Finish();
    }
  });
}

TEST_F(Failing, StoppedAtAnyStepEndsWithCancelledOrAllItems) {
  ForEveryCombinator([this] {
    bool ended_before_the_stop = false;
    for (int steps = 0; !ended_before_the_stop; ++steps) {
      SCOPED_TRACE(testing::Message() << "stopped after " << steps << " steps");
      Stepped run(ScriptOf(kNever, kNever));
      run.Apply(combinator());
      run.StartPulling(kEndless);
      for (int i = 0; i < steps && run.pulling(); ++i) run.Step();
      ended_before_the_stop = !run.pulling();
      run.Stop();
      run.RunUntilPulled();
      ExpectCancelledOrAllItems(run.outcome());
      run.Finish();
      ASSERT_FALSE(HasFailure());
    }
  });
}

// The same between threads, where the moment is a matter of chance.
class FailingInAPool : public Failing {
 protected:
  Outcome Run(Script script) {
    Rig rig(pool_, clock_, script);
    Outcome outcome;
    {
      auto items = combinator().apply(rig.Source(), rig);
      rig.Feed(kItems + 1);
      SyncWait(PullUpTo(kEndless, items, outcome));
    }
    rig.scope().RequestStop();
    EXPECT_NO_THROW(SyncWait(rig.scope().Join()));
    rig.ExpectNothingIsLeft();
    callable_failed_ = rig.callable_failed();
    return outcome;
  }

  ThreadPool pool_{2};
  SystemClock clock_;
  bool callable_failed_ = false;  // In the last run.
};

TEST_F(FailingInAPool, AnErrorOfTheSourceComesAfterTheItemsBeforeIt) {
  ForEveryCombinator([this] {
    for (int before = 0; before <= kItems; ++before) {
      ExpectSourceErrorAfter(before, Run(ScriptOf(before, kNever)));
    }
  });
}

TEST_F(FailingInAPool, AnErrorOfTheCallableComesInItsItemsPlace) {
  ForEveryCombinator([this] {
    for (int place = 0; place < kItems; ++place) {
      const Outcome outcome = Run(ScriptOf(kNever, place));
      if (!callable_failed_) {
        ExpectAllItems(outcome);
        continue;
      }
      ExpectError(Rig::CallableError(), outcome);
      ExpectBefore(place, outcome);
    }
  });
}

Task<> StopAfterHops(Rig& rig, int hops) {
  for (int i = 0; i < hops; ++i) co_await rig.executor().Schedule();
  rig.scope().RequestStop();
}

TEST_F(FailingInAPool, StoppedMeanwhileEndsWithCancelledOrAllItems) {
  ForEveryCombinator([this] {
    for (int hops = 0; hops < 30; ++hops) {
      Rig rig(pool_, clock_, ScriptOf(kNever, kNever));
      Outcome outcome;
      rig.scope().Spawn(StopAfterHops(rig, hops));
      {
        auto items = combinator().apply(rig.Source(), rig);
        rig.Feed(kItems + 1);
        SyncWait(PullUpTo(kEndless, items, outcome));
      }
      EXPECT_NO_THROW(SyncWait(rig.scope().Join()));
      ExpectCancelledOrAllItems(outcome);
      rig.ExpectNothingIsLeft();
    }
  });
}

}  // namespace
}  // namespace sluice
