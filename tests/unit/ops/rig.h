#ifndef SLUICE_TESTS_UNIT_OPS_RIG_H_
#define SLUICE_TESTS_UNIT_OPS_RIG_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/task.h"
#include "tests/unit/ops/item.h"

namespace sluice {

// When a source has the item that it is asked for.
enum class Readiness : std::uint8_t {
  kAtOnce,     // Never suspends but to hand over, and so hears of no stop.
  kAfterAHop,  // Goes through the executor before each item.
  kWhenFed,    // Waits until the test feeds it.
};
inline constexpr std::array kEveryReadiness = {Readiness::kAtOnce, Readiness::kAfterAHop,
                                               Readiness::kWhenFed};
const char* NameOf(Readiness readiness);

inline constexpr int kNever = std::numeric_limits<int>::max();
// The items of further sources are numbered from here.
inline constexpr int kFirstExtra = 1'000;

// What happens in one run.
struct Script {
  Readiness readiness = Readiness::kAtOnce;
  int items = 0;                   // The source yields 0, 1, ... below this.
  int source_fails_at = kNever;    // It throws instead of this item; once.
  int callable_fails_at = kNever;  // What a combinator calls throws when it is given this item.
};

// All that the combinators of one run are given, and what is known of it afterwards.
// Thread-safe. Lifetime: outlives the pipelines; joined before it is destroyed.
class Rig final {
 public:
  Rig(Executor& executor, Clock& clock, Script script);

  Executor& executor() { return executor_; }
  Clock& clock() { return clock_; }
  JobScope& scope() { return scope_; }

  // The script's source, from an item on.
  AsyncGenerator<Item> Source(int first = 0);
  // A further source, for a combinator of several: `count` items from kFirstExtra on.
  AsyncGenerator<Item> Extra(int count) const;

  // Every callable of the table calls this for every item that it is given.
  void Visit(const Item& item);

  void Feed(int items = 1);
  bool source_waits_for_food() const { return hungry_ > 0; }

  int produced() const { return produced_; }
  bool callable_failed() const { return callable_failed_; }
  // REQUIRES: pipelines are gone and the scope is joined.
  void ExpectNothingIsLeft() const;

  static absl::Status SourceError() { return absl::DataLossError("the source broke"); }
  static absl::Status CallableError() { return absl::AbortedError("the callable threw"); }

 private:
  static AsyncGenerator<Item> ItemsFrom(Rig& rig, int first);
  Task<> WaitForFood(int item);

  Executor& executor_;
  Clock& clock_;
  const Script script_;
  JobScope scope_;

  Signal fed_changed_;
  std::atomic<int> fed_ = 0;
  std::atomic<int> hungry_ = 0;
  std::atomic<int> produced_ = 0;  // Items that sources have handed over.
  std::atomic<int> sources_ = 0;   // Frames alive.
  std::atomic<bool> source_failed_ = false;
  std::atomic<bool> callable_failed_ = false;
};

// What came out of a pipeline, and how it ended, if it did.
struct Outcome {
  std::vector<int> values;
  bool ended = false;
  absl::Status end;
};

// More than any test pulls.
inline constexpr std::size_t kEndless = 1'000'000;

// Pulls until `count` values have come out or the sequence ends.
Task<> PullUpTo(std::size_t count, AsyncGenerator<Item>& items, Outcome& outcome);

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_RIG_H_
