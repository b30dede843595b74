// Random sequences of everything that can happen to jobs, against a model of what the contract
// says of them (job_model.h). Everything runs on one thread and a clock that stands still, so that
// a seed repeats its run exactly. A failure names the seed; SLUICE_SEED=<seed> in the environment
// repeats that run alone.

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include <gtest/gtest.h>

#include "tests/unit/fs/temp_tree.h"
#include "tests/unit/jobs/job_model_run.h"

namespace sluice {
namespace {

// Where checks cost ten times as much, a tenth of the runs has to do.
#if defined(NDEBUG)
constexpr std::uint32_t kSeeds = 10'000;
#else
constexpr std::uint32_t kSeeds = 1'000;
#endif

std::pair<std::uint32_t, std::uint32_t> SeedsToRun() {
  std::uint32_t only = 0;
  const char* given = std::getenv("SLUICE_SEED");  // NOLINT(concurrency-mt-unsafe)
  if (given != nullptr && absl::SimpleAtoi(given, &only)) return {only, only + 1};
  return {0, kSeeds};
}

TEST(JobModel, JobsDoWhatTheContractSaysWhateverHappensToThem) {
  const TempTree tree;
  tree.Write("a", "1");
  tree.Write("b", "22");
  tree.Write("d/c", "333");
  tree.MakeSymlink("d/e", "c");
  constexpr std::size_t kFiles = 4;
  const auto [first, end] = SeedsToRun();
  RecordProperty("seeds", static_cast<int>(end - first));
  for (std::uint32_t seed = first; seed < end && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "SLUICE_SEED=" << seed);
    JobModelRun run(seed, tree, kFiles);
    run.Run();
    if (HasFailure()) ADD_FAILURE() << "what was done: " << run.story();
  }
}

}  // namespace
}  // namespace sluice
