// What Reconcile knows of contents from before, and hands on to later jobs.
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/known_content.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Random = std::mt19937;

constexpr ContentPart kParts[] = {ContentPart::kPrefix, ContentPart::kSuffix, ContentPart::kWhole};
constexpr std::size_t kLong = kContentSuffixFromBytes + 16 * 1024;

Digest DigestOfPart(const std::string& content, ContentPart part, DigestAlgorithm algorithm) {
  return FakeDisk::DigestOfPart(
      content, part, part == ContentPart::kWhole ? algorithm : ContentKey::kStageAlgorithm);
}

void Know(ReconcileRig& rig, CandidateFile& name, ContentPart part) {
  name.known.of(part) =
      DigestOfPart(rig.disk.content(name.file.path), part, rig.options.digest_algorithm);
}

// As a catalog does for the next job over the same files.
void HandOn(const std::vector<KnownContent>& contents, FakeCandidates& candidates) {
  for (CandidateFile& name : candidates.files()) {
    for (const KnownContent& content : contents) {
      if (content.IsOf(name.file.stat)) name.known = content.key;
    }
  }
}

// Files on both sides of what decides how they are read, in small classes and two large ones.
void FillDisk(FakeDisk& disk, Random& random) {
  constexpr std::size_t kSizes[] = {1, 3'000, kContentEndBytes, kContentEndBytes + 1, kLong};
  for (std::size_t i = 0; i < 80 + 2 * kLargeClassInodes; ++i) {
    const bool in_first_large_class = i < 80 + kLargeClassInodes;
    const std::size_t size = i < 80 ? kSizes[random() % 5] : (in_first_large_class ? 3'000 : kLong);
    std::string content(size, '.');
    for (const std::size_t place : {std::size_t{0}, size / 2, size - 1}) {
      content[place] = static_cast<char>('a' + random() % 2);
    }
    disk.AddFile(absl::StrCat("/", i), std::move(content));
    if (random() % 8 == 0) disk.AddLink(absl::StrCat("/link", i), absl::StrCat("/", i));
    if (random() % 4 == 0) disk.RecordDigest(absl::StrCat("/", i));
  }
}

std::vector<std::pair<Digest, std::vector<std::string>>> Said(const Reconciled& result) {
  std::vector<std::pair<Digest, std::vector<std::string>>> said;
  said.reserve(result.plans.size());
  for (const Plan& plan : result.plans) said.emplace_back(plan.digest, PathsOf(plan));
  return said;
}

void ExpectSamePlansWhateverIsKnown(DigestAlgorithm algorithm, std::uint32_t seed) {
  Random random(seed);
  ReconcileRig rig;
  rig.options.digest_algorithm = algorithm;
  FillDisk(rig.disk, random);
  rig.Scan();
  const auto expected = Said(rig.Run());
  const std::size_t reads = rig.disk.reads().size();
  for (CandidateFile& name : rig.candidates.files()) {
    for (const ContentPart part : kParts) {
      if (random() % 3 == 0) Know(rig, name, part);
    }
  }
  EXPECT_EQ(Said(rig.Run()), expected);
  EXPECT_LT(rig.disk.reads().size(), 2 * reads);
}

TEST(ReconcileKnown, GivesTheSamePlansInTheSameOrderWhateverIsKnown) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  for (std::uint32_t round = 0; round < 20; ++round) {
    ExpectSamePlansWhateverIsKnown(DigestAlgorithm::kSha256, seed + round);
    ExpectSamePlansWhateverIsKnown(DigestAlgorithm::kXxh3_128, seed + round);
  }
}

TEST(ReconcileKnown, NextJobOverTheSameFilesReadsNothing) {
  Random random(1);
  ReconcileRig rig;
  FillDisk(rig.disk, random);
  rig.Scan();
  const Reconciled first = rig.Run();
  HandOn(first.contents, rig.candidates);
  const std::size_t reads = rig.disk.reads().size();
  const Reconciled second = rig.Run();
  EXPECT_EQ(Said(second), Said(first));
  EXPECT_EQ(rig.disk.reads().size(), reads);
  EXPECT_THAT(second.contents, testing::UnorderedElementsAreArray(first.contents));
}

TEST(ReconcileKnown, WhatTheNextJobHasToReadIsWhatIsNew) {
  for (const std::size_t size : {100UL, kContentEndBytes + 1, kLong}) {
    ReconcileRig rig;
    AddCopies(rig.disk, "a", 3, Content(size));
    const Reconciled first = rig.ScanAndRun();
    rig.disk.AddFile("/new", Content(size));
    rig.Scan();
    HandOn(first.contents, rig.candidates);
    const std::size_t before = rig.disk.reads().size();
    EXPECT_EQ(rig.Run().plans.at(0).copies.size(), 4U);
    auto reads = rig.disk.reads();
    reads.erase(reads.begin(), reads.begin() + static_cast<std::ptrdiff_t>(before));
    EXPECT_THAT(reads, Each(testing::Field(&FakeDisk::Read::path, "/new")));
  }
}

TEST(ReconcileKnown, HandsOnEachInodeOnceWithWhatTellsItApart) {
  for (const std::size_t copies : {std::size_t{2}, kLargeClassInodes}) {
    ReconcileRig rig;
    AddCopies(rig.disk, "same", copies, Content(kLong));
    for (std::size_t i = 0; i < copies; ++i) {
      rig.disk.AddFile(absl::StrCat("/other", i), Content(kLong, static_cast<char>(128 + i)));
    }
    std::map<std::uint64_t, ContentKey> known;
    for (const KnownContent& content : rig.ScanAndRun().contents) {
      EXPECT_TRUE(known.emplace(content.inode, content.key).second);
    }
    ASSERT_THAT(known, SizeIs(2 * copies));
    for (std::size_t i = 0; i < copies; ++i) {
      EXPECT_TRUE(known[rig.disk.stat(absl::StrCat("/same", i)).inode].of(ContentPart::kWhole));
      const ContentKey& lone = known[rig.disk.stat(absl::StrCat("/other", i)).inode];
      EXPECT_TRUE(lone.of(ContentPart::kPrefix));
      EXPECT_FALSE(lone.of(ContentPart::kWhole));
    }
  }
}

TEST(ReconcileKnown, ContentsComeBeforeTheCheckpointThatCoversThem) {
  ReconcileRig rig;
  for (std::size_t size = 1; size <= 400; ++size) AddClassesOfTwo(rig.disk, {size});
  AddCopies(rig.disk, "large", 600, Content(1'000));
  rig.Scan();
  auto items = rig.Start();
  std::uint64_t known = 0;
  while (auto item = Pull(items)) {
    if (const auto* contents = std::get_if<KnownContents>(&*item)) {
      EXPECT_LE(contents->size(), kMaxKnownContents);
      known += contents->size();
    } else if (const auto* checkpoint = std::get_if<ReconcileCheckpoint>(&*item)) {
      EXPECT_EQ(known, checkpoint->position);
    }
  }
}

TEST(ReconcileKnown, ComesAlsoWithPlansThatAreSorted) {
  ReconcileRig rig;
  rig.options.order = ReconcileOptions::Order::kLargestFirst;
  AddCopies(rig.disk, "a", 3, "content");
  EXPECT_THAT(rig.ScanAndRun().contents, SizeIs(3));
}

TEST(ReconcileKnown, DigestsOfOtherAlgorithmsAreNotUsed) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 2, Content(kLong));
  rig.Scan();
  rig.options.digest_algorithm = DigestAlgorithm::kBlake2b256;
  for (CandidateFile& name : rig.candidates.files()) Know(rig, name, ContentPart::kWhole);
  rig.options.digest_algorithm = DigestAlgorithm::kSha256;
  const Reconciled result = rig.Run();
  EXPECT_EQ(result.plans.at(0).digest.algorithm, DigestAlgorithm::kSha256);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kWhole), 2U);
}

TEST(ReconcileKnown, NothingWhereNamesOfAnInodeWereRecordedInDifferentVersions) {
  ReconcileRig rig;
  AddCopies(rig.disk, "z", 1, "content");
  rig.disk.AddFile("/a", "content");
  rig.disk.AddLink("/b", "/a");
  rig.Scan();
  for (CandidateFile& name : rig.candidates.files()) {
    Know(rig, name, ContentPart::kWhole);
    if (name.file.path == "/a") name.file.stat.modify_time_ns -= 1;  // By an older scan.
  }
  const Reconciled result = rig.Run();
  EXPECT_THAT(PathsOf(result.errors), testing::ElementsAre("/a"));
  EXPECT_THAT(PathsOf(result.plans.at(0)), testing::ElementsAre("/z0", "/b"));
}

}  // namespace
}  // namespace sluice
