// Random pipelines under an executor that resumes whoever is ready in a random order, and a clock
// and a source that go on at random. One seed decides a run: the pipeline, its source, its order,
// where it is cut. A failure names its seed; SLUICE_SEED=<seed> in the environment repeats that one
// alone.

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/ops/timeout.h"
#include "tests/unit/ops/every_combinator.h"
#include "tests/unit/ops/pipeline.h"
#include "tests/unit/ops/stepped.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;

constexpr int kItems = 24;
constexpr std::size_t kMaxStages = 4;

// Sanitizers slow a run down ten to twenty times; what they look for shows in any seed.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_SANITIZED
#endif
#endif
#ifdef SLUICE_SANITIZED
constexpr unsigned kSeeds = 1'000;
#else
constexpr unsigned kSeeds = 10'000;
#endif

class Chance final {
 public:
  explicit Chance(unsigned seed) : random_(seed) {}
  std::size_t Below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }
  bool OneIn(std::size_t cases) { return Below(cases) == 0; }

 private:
  std::mt19937 random_;
};

// Whoever is ready may be the next; and now and then nobody is, so that time passes, or food comes,
// while others are ready.
class ShuffledExecutor final : public Executor {
 public:
  explicit ShuffledExecutor(Chance* chance) : chance_(*chance) {}

  void Post(std::coroutine_handle<> coroutine) override { ready_.push_back(coroutine); }
  void Hurry(std::coroutine_handle<> /*coroutine*/) override {}  // Its turn is a matter of chance.
  bool HasBacklog() const override { return !ready_.empty(); }

  bool RunOne() {
    if (ready_.empty() || chance_.OneIn(6)) return false;
    std::swap(ready_[chance_.Below(ready_.size())], ready_.back());
    const std::coroutine_handle<> coroutine = ready_.back();
    ready_.pop_back();
    coroutine.resume();
    return true;
  }

 private:
  Chance& chance_;
  std::vector<std::coroutine_handle<>> ready_;
};

using ShuffledRun = Stepped<ShuffledExecutor>;

// Every other stage is one of those that are concurrent or wait.
Pipeline RandomPipeline(Chance& chance) {
  static const std::vector<Combinator> concurrent = RowsOfConcurrentStages();
  Pipeline pipeline;
  for (std::size_t stages = 1 + chance.Below(kMaxStages); stages > 0; --stages) {
    const std::vector<Combinator>& rows = chance.OneIn(2) ? concurrent : EveryCombinator();
    pipeline.Append(rows[chance.Below(rows.size())]);
  }
  return pipeline;
}

class RandomRun {
 public:
  explicit RandomRun(unsigned seed) : chance_(seed), pipeline_(RandomPipeline(chance_)) {}

  Chance& chance() { return chance_; }
  const Pipeline& pipeline() const { return pipeline_; }
  Values expected() const { return pipeline_.Model(Below(kItems)); }

  Script RandomScript() {
    return {.readiness = kEveryReadiness[chance_.Below(kEveryReadiness.size())], .items = kItems};
  }
  void Apply(ShuffledRun& run) const {
    run.UseSource();
    for (const Combinator* stage : pipeline_.stages()) run.Apply(*stage);
  }

  void ExpectAllItems(const Outcome& outcome) const {
    EXPECT_EQ(outcome.end, absl::OkStatus());
    EXPECT_TRUE(IsAllOf(outcome.values, expected(), pipeline_.ordered()))
        << testing::PrintToString(outcome.values);
  }
  void ExpectSomeItems(const Outcome& outcome) const {
    EXPECT_TRUE(IsPartOf(outcome.values, expected(), pipeline_.ordered()))
        << testing::PrintToString(outcome.values);
  }

 private:
  Chance chance_;
  Pipeline pipeline_;
};

std::pair<unsigned, unsigned> SeedsToRun() {
  unsigned only = 0;
  const char* given = std::getenv("SLUICE_SEED");  // NOLINT(concurrency-mt-unsafe)
  if (given != nullptr && absl::SimpleAtoi(given, &only)) return {only, only + 1};
  return {0, kSeeds};
}

// Calls `test` with every seed, until one fails.
void ForEachSeed(void (*test)(RandomRun&)) {
  const auto [first, end] = SeedsToRun();
  testing::Test::RecordProperty("seeds", static_cast<int>(end - first));
  for (unsigned seed = first; seed < end && !testing::Test::HasFailure(); ++seed) {
    RandomRun random(seed);
    SCOPED_TRACE(testing::Message() << "SLUICE_SEED=" << seed << ": " << random.pipeline());
    test(random);
  }
}

TEST(RandomInterleaving, EveryItemComesOnce) {
  ForEachSeed([](RandomRun& random) {
    ShuffledRun run(random.RandomScript(), &random.chance());
    random.Apply(run);
    run.PullToTheEnd();
    random.ExpectAllItems(run.outcome());
    run.Finish();
  });
}

TEST(RandomInterleaving, DroppingAtAnyPointLeavesNothingBehind) {
  ForEachSeed([](RandomRun& random) {
    ShuffledRun run(random.RandomScript(), &random.chance());
    random.Apply(run);
    run.Pull(random.chance().Below(kItems));
    run.RunUntilIdle();
    random.ExpectSomeItems(run.outcome());
    run.Drop();
    run.RunUntilIdle();
    run.Finish();
  });
}

TEST(RandomInterleaving, StoppingAtAnyPointEndsWithCancelledOrAllItems) {
  ForEachSeed([](RandomRun& random) {
    ShuffledRun run(random.RandomScript(), &random.chance());
    random.Apply(run);
    run.StartPulling(kEndless);
    for (std::size_t steps = random.chance().Below(300); steps > 0; --steps) run.Step();
    run.Stop();
    run.RunUntilPulled();
    if (run.outcome().end.ok()) {
      random.ExpectAllItems(run.outcome());
    } else {
      EXPECT_TRUE(absl::IsCancelled(run.outcome().end)) << run.outcome().end;
      random.ExpectSomeItems(run.outcome());
    }
    run.Finish();
  });
}

bool Recovers(const Combinator* stage) { return stage->recovered != nullptr; }

TEST(RandomInterleaving, AnErrorAtAnyPointIsNeverLost) {
  ForEachSeed([](RandomRun& random) {
    if (std::ranges::any_of(random.pipeline().stages(), Recovers)) return;
    Script script = random.RandomScript();
    int& failing = random.chance().OneIn(2) ? script.source_fails_at : script.callable_fails_at;
    failing = static_cast<int>(random.chance().Below(kItems));
    ShuffledRun run(script, &random.chance());
    random.Apply(run);
    run.PullToTheEnd();
    const Outcome& outcome = run.outcome();
    if (outcome.end.ok()) {
      random.ExpectAllItems(outcome);  // What failed was not needed.
    } else {
      EXPECT_TRUE(outcome.end == Rig::SourceError() || outcome.end == Rig::CallableError());
      random.ExpectSomeItems(outcome);
    }
    run.Finish();
  });
}

Combinator ShortTimeout() {
  return {
      .name = "ShortTimeout",
      .apply = [](AsyncGenerator<Item> source,
                  Rig& rig) { return std::move(source) | Timeout(rig.scope(), rig.clock(), 2ms); },
      .model = [](Values values) { return values; }};
}

TEST(RandomInterleaving, ATimeoutThatPassesEndsWithItsErrorAndLeavesNothingBehind) {
  ForEachSeed([](RandomRun& random) {
    ShuffledRun run(random.RandomScript(), &random.chance());
    random.Apply(run);
    run.Apply(ShortTimeout());
    run.PullToTheEnd();
    if (run.outcome().end.ok()) {
      random.ExpectAllItems(run.outcome());
    } else {
      EXPECT_TRUE(absl::IsDeadlineExceeded(run.outcome().end)) << run.outcome().end;
      random.ExpectSomeItems(run.outcome());
    }
    run.Finish();
  });
}

}  // namespace
}  // namespace sluice
