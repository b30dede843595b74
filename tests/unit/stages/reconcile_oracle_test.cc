// Reconcile against the simplest program that could be right: group files by their content.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using Random = std::mt19937;

// Sizes on both sides of what decides how a file is read.
constexpr std::size_t kSizes[] = {1,
                                  100,
                                  kContentEndBytes,
                                  kContentEndBytes + 1,
                                  kContentSuffixFromBytes,
                                  kContentSuffixFromBytes + 100};

// Contents that differ at the front, in the middle, at the end, or not at all.
std::string RandomContent(Random& random) {
  std::string content(kSizes[random() % std::size(kSizes)], '.');
  for (const std::size_t place : {std::size_t{0}, content.size() / 2, content.size() - 1}) {
    content[place] = static_cast<char>('a' + random() % 2);
  }
  return content;
}

void FillAtRandom(FakeDisk& disk, std::size_t names, Random& random) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < names; ++i) {
    const std::string path = absl::StrCat("/", random() % 10, "/", i);
    if (!paths.empty() && random() % 4 == 0) {
      disk.AddLink(path, paths[random() % paths.size()]);
    } else {
      disk.AddFile(path, RandomContent(random), 1 + random() % 2);
      if (random() % 10 == 0) disk.stat(path).link_count += 1;  // A link that no scan has seen.
    }
    if (random() % 3 == 0) disk.RecordDigest(path);
    paths.push_back(path);
  }
}

struct OracleGroup {
  std::set<std::string> paths;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<FileStat>> inodes;
};

std::map<std::string, OracleGroup> GroupByContent(const FakeDisk& disk, FakeCandidates& list) {
  std::map<std::string, OracleGroup> groups;
  for (const CandidateFile& name : list.files()) {
    OracleGroup& group = groups[disk.content(name.file.path)];
    group.paths.insert(name.file.path);
    const FileStat& stat = name.file.stat;
    group.inodes[{stat.device, stat.inode}].push_back(stat);
  }
  return groups;
}

bool MakesPlan(const OracleGroup& group, const ReconcileOptions& options) {
  std::set<std::uint64_t> devices;
  for (const auto& [id, names] : group.inodes) devices.insert(id.first);
  return group.inodes.size() >= options.min_copies &&
         (devices.size() > 1 || !options.across_devices_only);
}

std::uint64_t RecoverableBytes(const OracleGroup& group, const FileStat& source, Action action) {
  const bool on_its_device = action == Action::kHardlink || action == Action::kReflink;
  std::uint64_t bytes = 0;
  for (const auto& [id, names] : group.inodes) {
    if (id == std::pair(source.device, source.inode)) continue;
    if (on_its_device && id.first != source.device) continue;
    if (names.size() == names[0].link_count) bytes += names[0].allocated_bytes;
  }
  return bytes;
}

struct FoundPlan {
  std::set<std::string> paths;
  FileStat source;
  std::uint64_t recoverable_bytes = 0;
  std::uint64_t total_recoverable_bytes = 0;
};

void ExpectPlansAreThoseOfTheOracle(ReconcileRig& rig) {
  rig.Scan();
  std::map<Digest, OracleGroup> expected;
  for (auto& [content, group] : GroupByContent(rig.disk, rig.candidates)) {
    if (!MakesPlan(group, rig.options)) continue;
    expected[FakeDisk::DigestOf(content, DigestAlgorithm::kSha256)] = std::move(group);
  }
  std::map<Digest, FoundPlan> found;
  const Reconciled result = rig.Run();
  for (const Plan& part : result.plans) {
    FoundPlan& plan = found[part.digest];
    for (const PlanCopy& copy : part.copies) EXPECT_TRUE(plan.paths.insert(copy.file.path).second);
    plan.source = part.source_of_truth.stat;
    plan.recoverable_bytes += part.recoverable_bytes;
    plan.total_recoverable_bytes = part.total_recoverable_bytes;
  }
  EXPECT_TRUE(result.errors.empty());
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [digest, group] : expected) {
    EXPECT_EQ(found[digest].paths, group.paths);
    const std::uint64_t bytes = RecoverableBytes(group, found[digest].source, rig.options.action);
    EXPECT_EQ(found[digest].recoverable_bytes, bytes);
    EXPECT_EQ(found[digest].total_recoverable_bytes, bytes);
  }
}

void ExpectPlansAreThoseOfTheOracle(std::size_t names, std::uint32_t seed) {
  Random random(seed);
  for (const Action action :
       {Action::kHardlink, Action::kReflink, Action::kSymlink, Action::kRemove}) {
    ReconcileRig rig;
    rig.options.action = action;
    rig.options.min_copies = 2 + random() % 2;
    rig.options.across_devices_only = random() % 2 == 0;
    if (random() % 2 == 0) rig.options.order = ReconcileOptions::Order::kLargestFirst;
    FillAtRandom(rig.disk, names, random);
    ExpectPlansAreThoseOfTheOracle(rig);
  }
}

TEST(ReconcileOracle, SmallClassesGroupExactlyTheFilesOfEqualContent) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  for (std::uint32_t round = 0; round < 25; ++round) {
    ExpectPlansAreThoseOfTheOracle(40, seed + round);
  }
}

TEST(ReconcileOracle, LargeClassesGroupExactlyTheFilesOfEqualContent) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  for (std::uint32_t round = 0; round < 3; ++round) {
    ExpectPlansAreThoseOfTheOracle(400, seed + round);
  }
}

}  // namespace
}  // namespace sluice
