#include "pipeline/fs/key_set.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/inline_executor.h"
#include "pipeline/async/status_error.h"

namespace sluice {
namespace {

using Keys = std::vector<SetKey>;

Keys RandomKeys(std::size_t count, std::uint64_t seed) {
  std::independent_bits_engine<std::mt19937_64, 8, unsigned> random(seed);
  Keys keys(count);
  for (SetKey& key : keys) {
    std::ranges::generate(key, [&random] { return static_cast<std::uint8_t>(random()); });
  }
  return keys;
}

// Keys that interpolation does not help with: all of them differ in their last bytes only.
Keys CrowdedKeys(std::uint32_t count) {
  Keys keys(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::size_t byte = 0; byte < 4; ++byte) {
      keys[i][15 - byte] = static_cast<std::uint8_t>(2 * i >> (8 * byte));
    }
  }
  return keys;
}

KeySet SetOf(const Keys& keys, const std::string& directory = testing::TempDir(),
             std::stop_token stop = {}) {
  InlineExecutor executor;
  KeySet::Builder builder(directory, stop);
  for (const SetKey& key : keys) builder.Add(key);
  return executor.Run(builder.Finish(executor));
}

// How many of some thousand of the keys are in the set; as a share of those.
double ShareFound(const KeySet& set, const Keys& keys) {
  const std::size_t step = 1 + keys.size() / 4'000;
  std::size_t asked = 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < keys.size(); i += step) {
    ++asked;
    if (set.Contains(keys[i])) ++found;
  }
  return static_cast<double>(found) / static_cast<double>(asked);
}

bool ContainsAll(const KeySet& set, const Keys& keys) { return ShareFound(set, keys) == 1; }
bool ContainsNone(const KeySet& set, const Keys& keys) { return ShareFound(set, keys) == 0; }

TEST(KeySet, ContainsNothingWhenEmpty) {
  EXPECT_TRUE(ContainsNone(KeySet(), RandomKeys(3, 1)));
  EXPECT_TRUE(ContainsNone(SetOf({}), RandomKeys(3, 1)));
}

TEST(KeySet, ContainsWhatWasAddedAndNothingElse) {
  for (const std::size_t count :
       {std::size_t{1}, KeySet::kMaxInMemory, KeySet::kMaxInMemory + 1, 5 * KeySet::kMaxInMemory}) {
    const Keys keys = RandomKeys(count, 1);
    const KeySet set = SetOf(keys);
    EXPECT_EQ(set.size(), count);
    EXPECT_TRUE(ContainsAll(set, keys)) << count;
    EXPECT_TRUE(ContainsNone(set, RandomKeys(count, 2))) << count;
  }
}

TEST(KeySet, FindsTheLeastAndTheGreatestKey) {
  Keys keys = RandomKeys(2 * KeySet::kMaxInMemory, 1);
  SetKey greatest;
  greatest.fill(0xff);
  const KeySet without = SetOf(keys);
  EXPECT_TRUE(ContainsNone(without, {SetKey{}, greatest}));
  keys.insert(keys.end(), {SetKey{}, greatest});
  EXPECT_TRUE(ContainsAll(SetOf(keys), {SetKey{}, greatest}));
}

TEST(KeySet, FindsKeysThatAreNotSpreadEvenly) {
  Keys keys = CrowdedKeys(2 * KeySet::kMaxInMemory);
  const KeySet set = SetOf(keys);
  EXPECT_TRUE(ContainsAll(set, keys));
  for (SetKey& key : keys) key[15] |= 1;
  EXPECT_TRUE(ContainsNone(set, keys));
}

TEST(KeySet, CountsAKeyOnce) {
  const Keys keys = RandomKeys(KeySet::kMaxInMemory, 1);
  Keys twice = keys;
  twice.insert(twice.end(), keys.begin(), keys.end());
  const KeySet set = SetOf(twice);
  EXPECT_EQ(set.size(), keys.size());
  EXPECT_TRUE(ContainsAll(set, keys));
}

TEST(KeySet, NeedsNoFileAsLongAsItIsSmall) {
  const Keys keys = RandomKeys(KeySet::kMaxInMemory, 1);
  EXPECT_TRUE(ContainsAll(SetOf(keys, "/nowhere"), keys));
}

TEST(KeySet, FailsWhereItsFileCannotBeMade) {
  EXPECT_THROW(SetOf(RandomKeys(KeySet::kMaxInMemory + 1, 1), "/nowhere"), StatusError);
}

TEST(KeySet, StopsBeingBuilt) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(SetOf(RandomKeys(KeySet::kMaxInMemory, 1), testing::TempDir(), stop.get_token()),
               Cancelled);
}

TEST(KeySet, IsReadBySeveralThreads) {
  const Keys keys = RandomKeys(2 * KeySet::kMaxInMemory, 1);
  const KeySet set = SetOf(keys);
  const auto read = [&] { EXPECT_TRUE(ContainsAll(set, keys)); };
  std::jthread one(read);
  std::jthread other(read);
}

}  // namespace
}  // namespace sluice
