// Any chain of combinators gives what the chain of their models on plain vectors gives.
//
// RapidCheck makes up the chains and the items, anew in every run. For a failure it prints the
// smallest case that fails, and RC_PARAMS="reproduce=..." that repeats it when set in the
// environment; RC_PARAMS="max_success=10000" tries more cases than the hundred of a usual run.

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/ops/from_range.h"
#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/pipeline.h"
#include "tests/unit/ops/rig.h"

namespace sluice {
namespace {

constexpr int kMaxStages = 8;

Values ItemsOf(const Pipeline& pipeline, const Values& input, Clock& clock) {
  InlineExecutor executor;
  Rig rig(executor, clock, {});
  Outcome outcome;
  {
    AsyncGenerator<Item> items = FromRange(std::vector<Item>(input.begin(), input.end()));
    for (const Combinator* stage : pipeline.stages()) items = stage->apply(std::move(items), rig);
    executor.Run(PullUpTo(kEndless, items, outcome));
  }
  rig.scope().RequestStop();
  executor.Run(rig.scope().Join());
  rig.ExpectNothingIsLeft();
  EXPECT_TRUE(outcome.ended && outcome.end.ok()) << outcome.end;
  return outcome.values;
}

Values ItemsOf(const Pipeline& pipeline, const Values& input) {
  if (pipeline.waits_for_clock()) {
    SystemClock clock;
    return ItemsOf(pipeline, input, clock);
  }
  ManualClock clock;
  return ItemsOf(pipeline, input, clock);
}

std::vector<std::string> NamesOfRows() {
  std::vector<std::string> names;
  for (const Combinator& row : EveryCombinator()) names.push_back(row.name);
  return names;
}

TEST(Composition, OfAnyCombinatorsGivesWhatThatOfTheirModelsGives) {
  const auto any_names = rc::gen::resize(
      kMaxStages, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(NamesOfRows())));
  const auto any_values = rc::gen::container<Values>(rc::gen::inRange(-20, 20));
  EXPECT_TRUE(rc::check([&any_names, &any_values] {
    const Values input = *any_values;
    Pipeline pipeline;
    for (const std::string& name : *any_names) pipeline.Append(CombinatorNamed(name));
    RC_LOG() << pipeline << "\n";
    const Values expected = pipeline.Model(input);
    const Values actual = ItemsOf(pipeline, input);
    RC_LOG() << "came:     " << testing::PrintToString(actual) << "\n"
             << "expected: " << testing::PrintToString(expected) << "\n";
    RC_ASSERT(IsAllOf(actual, expected, pipeline.ordered()));
  }));
}

}  // namespace
}  // namespace sluice
