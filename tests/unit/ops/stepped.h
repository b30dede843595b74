#ifndef SLUICE_TESTS_UNIT_OPS_STEPPED_H_
#define SLUICE_TESTS_UNIT_OPS_STEPPED_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/rig.h"

namespace sluice {

// One run of a pipeline that goes on only by steps of the test: an executor without threads, a
// clock that is moved by hand, a source that is fed by hand. Steppable: ManualExecutor, or another
// with its RunOne.
//
// The pipeline has no end but what the test makes of it: Drop, Stop, or pulling to the end; Finish
// then shows that nothing is left.
template <typename Steppable = ManualExecutor>
class Stepped final {
 public:
  template <typename... ExecutorArgs>
  explicit Stepped(Script script, ExecutorArgs... args)
      : executor_(args...), rig_(executor_, clock_, script) {}
  ~Stepped() {
    if (!finished_) Finish();
  }
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;

  Rig& rig() { return rig_; }
  Steppable& executor() { return executor_; }
  ManualClock& clock() { return clock_; }
  const Outcome& outcome() const { return outcome_; }

  void Apply(const Combinator& combinator) {
    items_.emplace(combinator.apply(items_ ? *std::move(items_) : rig_.Source(), rig_));
  }
  void UseSource() { items_.emplace(rig_.Source()); }

  // Asks for items until `count` of them have come out in all.
  void StartPulling(std::size_t count) { pulling_.emplace(PullUpTo(count, *items_, outcome_)); }
  bool pulling() const { return pulling_ && !pulling_->done(); }

  // Resumes one coroutine. When none is ready, the source is fed, or else time passes.
  void Step() {
    if (executor_.RunOne()) return;
    if (rig_.source_waits_for_food()) {
      rig_.Feed();
    } else {
      clock_.Advance(std::chrono::milliseconds(1));
    }
  }

  // Steps until what was asked for has come. Returns how many that took.
  std::size_t RunUntilPulled() {
    return RunUntil([this] { return !pulling(); });
  }
  void Pull(std::size_t count) {
    StartPulling(count);
    RunUntilPulled();
  }
  void PullToTheEnd() { Pull(kEndless); }

  // Resumes whoever is ready, though nobody asks.
  void RunUntilIdle() {
    while (executor_.RunOne()) {
    }
  }

  void Stop() { rig_.scope().RequestStop(); }
  // REQUIRES: nobody is pulling.
  void Drop() { items_.reset(); }

  // Ends whatever is under way; nothing may be left.
  void Finish() {
    finished_ = true;
    Stop();
    RunUntilPulled();
    Drop();
    Started join(rig_.scope().Join());
    RunUntil([&join] { return join.done(); });
    EXPECT_NO_THROW(join.Get());
    rig_.ExpectNothingIsLeft();
  }

 private:
  // A run that makes no progress fails instead of hanging.
  std::size_t RunUntil(const std::function<bool()>& done) {
    constexpr std::size_t kFarTooMany = 1'000'000;
    std::size_t steps = 0;
    for (; !done(); ++steps) {
      if (steps == kFarTooMany) {
        ADD_FAILURE() << "the pipeline is stuck";
        throw std::runtime_error("stuck");
      }
      Step();
    }
    return steps;
  }

  Steppable executor_;
  ManualClock clock_;
  Rig rig_;
  std::optional<AsyncGenerator<Item>> items_;
  Outcome outcome_;
  std::optional<Started<void>> pulling_;
  bool finished_ = false;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_STEPPED_H_
