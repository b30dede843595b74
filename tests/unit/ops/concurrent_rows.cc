// The stages with a clock, with children on the scope, or with several consumers.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "pipeline/async/sleep.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/buffer.h"
#include "pipeline/ops/from_callbacks.h"
#include "pipeline/ops/merge.h"
#include "pipeline/ops/retry.h"
#include "pipeline/ops/tee.h"
#include "pipeline/ops/throttle.h"
#include "pipeline/ops/timeout.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/ops/unbatch.h"
#include "tests/unit/ops/every_combinator.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using Source = AsyncGenerator<Item>;

constexpr int kExtras = 3;

Values Same(Values values) { return values; }

Values AndExtras(Values values) {
  for (int i = 0; i < kExtras; ++i) values.push_back(kFirstExtra + i);
  return values;
}

Values EachTwice(Values values) {
  const Values once = values;
  values.insert(values.end(), once.begin(), once.end());
  return values;
}

// Takes a number of hops that differs from item to item, so that results overtake each other.
Task<Item> AfterSomeHops(Item item, Rig& rig) {
  for (int hops = ((item.value() % 3) + 3) % 3; hops > 0; --hops)
    co_await rig.executor().Schedule();
  rig.Visit(item);
  co_return item;
}

auto HoppingWork(Rig& rig) {
  return [&rig](Item item, const std::stop_token& /*stop*/) {
    return AfterSomeHops(std::move(item), rig);
  };
}

// Pulls the branches in turn. They give the same items.
AsyncGenerator<Item> InLockstep(std::vector<Source> branches) {
  while (true) {
    std::optional<Item> item = co_await branches.front().Next();
    for (std::size_t i = 1; i < branches.size(); ++i) {
      const std::optional<Item> same = co_await branches[i].Next();
      EXPECT_EQ(same.has_value(), item.has_value());
      if (same && item) EXPECT_EQ(same->value(), item->value());
    }
    if (!item) co_return;
    co_yield *std::move(item);
  }
}

// An API that calls back once for each item, and tries again later when it is told kFull.
Task<> EmitEach(Source source, Emitter<Item> emitter, Rig& rig) {
  absl::Status end;
  try {
    while (auto item = co_await source.Next()) {
      EmitResult result = emitter.TryEmit(*item);
      for (; result == EmitResult::kFull; result = emitter.TryEmit(*item)) {
        co_await Sleep(rig.executor(), rig.clock(), 1ms, rig.scope().stop_token());
      }
      if (result == EmitResult::kGone) co_return;
    }
  } catch (...) {
    end = CurrentExceptionToStatus();
  }
  emitter.Close(end);
}

Source EmittedFromCallbacks(Source source, Rig& rig) {
  return FromCallbacks<Item>(
      rig.scope(), 2, [&rig, source = std::move(source)](Emitter<Item> emitter) mutable {
        rig.scope().Spawn(EmitEach(std::move(source), std::move(emitter), rig));
      });
}

RetryOptions ManyAttempts() {
  return {.max_attempts = 3,
          .initial_backoff = 1ms,
          .max_backoff = 4ms,
          .retryable = {Rig::SourceError().code()}};
}

Task<Item> VisitLater(const Item& item, Rig& rig) {
  rig.Visit(item);
  co_return item;
}

std::vector<Combinator> RowsWithChildren() {
  return {
      {.name = "Batch",
       .header = "batch.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) |
                    Batch(rig.scope(), rig.clock(), {.max_items = 4, .max_delay = 2ms}) | Unbatch();
           },
       .model = Same,
       .bound = 4 + 4},  // One batch is handed out item by item while the next is filled.
      {.name = "Buffer",
       .header = "buffer.h",
       .apply = [](Source source, Rig& rig) { return std::move(source) | Buffer(rig.scope(), 3); },
       .model = Same,
       .bound = 3},
      {.name = "Merge",
       .header = "merge.h",
       .apply = [](Source source,
                   Rig& rig) { return Merge(rig.scope(), std::move(source), rig.Extra(kExtras)); },
       .model = AndExtras,
       .bound = 2,
       .ordered = false},
      {.name = "FromCallbacks",
       .header = "from_callbacks.h",
       .apply = EmittedFromCallbacks,
       .model = Same,
       .bound = 2 + 1,  // The callback has one in its hands when it is told kFull.
       .waits_for_clock = true},
  };
}

std::vector<Combinator> RowsOfTransformConcurrently() {
  return {
      {.name = "TransformConcurrently",
       .header = "transform_concurrently.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | TransformConcurrently(rig.scope(), 3, HoppingWork(rig));
           },
       .model = Same,
       .bound = 3},
      {.name = "TransformConcurrentlyAsTheyCome",
       .header = "transform_concurrently.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) |
                    TransformConcurrently(rig.scope(), 3, HoppingWork(rig), Order::kCompletion);
           },
       .model = Same,
       .bound = 3,
       .ordered = false},
      {.name = "TransformConcurrentlyAhead",
       .header = "transform_concurrently.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | TransformConcurrently(rig.scope(), 2, HoppingWork(rig),
                                                              Order::kSource, /*ahead=*/3);
           },
       .model = Same,
       .bound = 5},
      {.name = "TransformConcurrentlyAtOnce",
       .header = "transform_concurrently.h",
       .apply =
           [](Source source, Rig& rig) {
             const auto work = [&rig](Item item, const std::stop_token& /*stop*/) {
               rig.Visit(item);
               return item;
             };
             return std::move(source) | TransformConcurrently(rig.scope(), 2, work);
           },
       .model = Same,
       .bound = 2},
  };
}

std::vector<Combinator> RowsOfBranches() {
  return {
      {.name = "TeeInLockstep",
       .header = "tee.h",
       .apply = [](Source source,
                   Rig& rig) { return InLockstep(std::move(source) | Tee(rig.scope(), 3, 2)); },
       .model = Same},
      {.name = "TeeWithADroppedBranch",
       .header = "tee.h",
       .apply =
           [](Source source, Rig& rig) {
             auto branches = std::move(source) | Tee(rig.scope(), 2, 2);
             return std::move(branches.front());
           },
       .model = Same},
      {.name = "TeeAndMerge",
       .header = "tee.h",
       .apply =
           [](Source source, Rig& rig) {
             return Merge(rig.scope(), std::move(source) | Tee(rig.scope(), 2, 2));
           },
       .model = EachTwice,
       .bound = 2 + 1,  // What the slower branch gave waits in the Merge.
       .ordered = false},
  };
}

std::vector<Combinator> RowsWithAClock() {
  return {
      {.name = "Throttle",
       .header = "throttle.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) |
                    Throttle(rig.scope(), rig.clock(), {.per_second = 2'000, .burst = 2},
                             [&rig](const Item& item) {
                               rig.Visit(item);
                               return 1;
                             });
           },
       .model = Same,
       .waits_for_clock = true},
      {.name = "Timeout",
       .header = "timeout.h",
       .apply = [](Source source,
                   Rig& rig) { return std::move(source) | Timeout(rig.scope(), rig.clock(), 1h); },
       .model = Same},
      {.name = "Retry",
       .header = "retry.h",
       .apply =
           [](Source source, Rig& rig) {
             const auto first = std::make_shared<std::optional<Source>>(std::move(source));
             return Retry(rig.scope(), rig.clock(), ManyAttempts(),
                          [&rig, first](std::uint64_t yielded) {
                            if (!*first) return rig.Source(static_cast<int>(yielded));
                            Source source = *std::move(*first);
                            first->reset();
                            return source;
                          });
           },
       .model = Same,
       .recovered = [](int /*before*/, int items) { return Below(items); }},
      {.name = "RetryEach",
       .header = "retry.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) |
                    RetryEach(rig.scope(), rig.clock(), ManyAttempts(),
                              [&rig](const Item& item) { return VisitLater(item, rig); });
           },
       .model = Same},
  };
}

}  // namespace

std::vector<Combinator> RowsOfConcurrentStages() {
  std::vector<Combinator> rows = RowsWithChildren();
  std::ranges::move(RowsOfTransformConcurrently(), std::back_inserter(rows));
  std::ranges::move(RowsOfBranches(), std::back_inserter(rows));
  std::ranges::move(RowsWithAClock(), std::back_inserter(rows));
  return rows;
}

}  // namespace sluice
