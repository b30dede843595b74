// What Reconcile reads, and what it can do without reading.
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/plan.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"
#include "tests/unit/stages/reconcile_rig.h"

namespace sluice {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kLong = 2 * kContentSuffixFromBytes;
constexpr std::size_t kHuge = kContentMiddleFromBytes;

TEST(ReconcileReads, PrefixOnlyOfFilesThatDifferThere) {
  ReconcileRig rig;
  rig.disk.AddFile("/a", Content(kLong, 'a'));
  rig.disk.AddFile("/b", Content(kLong, 'b'));
  EXPECT_THAT(rig.ScanAndRun().plans, IsEmpty());
  EXPECT_EQ(rig.disk.bytes_read(), 2 * kContentEndBytes);
}

TEST(ReconcileReads, PrefixAndSuffixOnlyOfFilesThatDifferAtTheEnd) {
  ReconcileRig rig;
  rig.disk.AddFile("/a", Content(kLong, 'a', kLong - 1));
  rig.disk.AddFile("/b", Content(kLong, 'b', kLong - 1));
  EXPECT_THAT(rig.ScanAndRun().plans, IsEmpty());
  EXPECT_EQ(rig.disk.bytes_read(), 4 * kContentEndBytes);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kWhole), 0u);
}

TEST(ReconcileReads, EndsAndMiddleOnlyOfLargeFilesThatDifferInTheMiddle) {
  ReconcileRig rig;
  rig.disk.AddFile("/a", Content(kHuge, 'a', kHuge / 2));
  rig.disk.AddFile("/b", Content(kHuge, 'b', kHuge / 2));
  EXPECT_THAT(rig.ScanAndRun().plans, IsEmpty());
  EXPECT_EQ(rig.disk.bytes_read(), 6 * kContentEndBytes);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kWhole), 0u);
}

TEST(ReconcileReads, WholeContentOfWhatIsStillUndecidedOnly) {
  ReconcileRig rig;
  AddCopies(rig.disk, "same", 2, Content(kLong));
  rig.disk.AddFile("/other_front", Content(kLong, 'x'));
  rig.disk.AddFile("/other_end", Content(kLong, 'x', kLong - 1));
  rig.disk.AddFile("/other_middle", Content(kLong, 'x', kLong / 2));
  EXPECT_THAT(rig.ScanAndRun().plans, SizeIs(1));
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kPrefix), 5u);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kSuffix), 4u);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kWhole), 3u);
}

TEST(ReconcileReads, SmallFileOnce) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 3, Content(kContentEndBytes));
  EXPECT_THAT(rig.ScanAndRun().plans, SizeIs(1));
  EXPECT_EQ(rig.disk.reads().size(), 3u);
  EXPECT_EQ(rig.disk.bytes_read(), 3 * kContentEndBytes);
}

TEST(ReconcileReads, StagesAlsoInALargeClass) {
  ReconcileRig rig;
  AddCopies(rig.disk, "same", kSmallClassInodes, Content(kLong));
  for (std::size_t i = 0; i < kSmallClassInodes; ++i) {
    rig.disk.AddFile(absl::StrCat("/other", i), Content(kLong, static_cast<char>('0' + i)));
  }
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_EQ(result.plans[0].copies.size(), kSmallClassInodes);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kPrefix), 2 * kSmallClassInodes);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kWhole), kSmallClassInodes);
}

TEST(ReconcileReads, TwoHugeFilesBesideEachOther) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 2, Content(kLong));
  for (const char* path : {"/a0", "/a1"}) rig.disk.stat(path).size = kHugeFileBytes;
  rig.disk.Gather(2);
  EXPECT_THAT(rig.ScanAndRun().plans, SizeIs(1));
  EXPECT_TRUE(rig.disk.gathered());
}

TEST(ReconcileReads, NothingWhereEveryDigestIsRecorded) {
  for (const std::size_t copies : {std::size_t{2}, kLargeClassInodes}) {
    ReconcileRig rig;
    AddCopies(rig.disk, "a", copies, Content(kLong));
    for (std::size_t i = 0; i < copies; ++i) rig.disk.RecordDigest(absl::StrCat("/a", i));
    EXPECT_THAT(rig.ScanAndRun().plans, SizeIs(1));
    EXPECT_THAT(rig.disk.reads(), IsEmpty());
  }
}

TEST(ReconcileReads, OnlyTheEndsOfAFileWhoseDigestIsRecorded) {
  ReconcileRig rig;
  AddCopies(rig.disk, "a", 2, Content(kLong));
  rig.disk.RecordDigest("/a0");
  ASSERT_THAT(rig.ScanAndRun().plans, SizeIs(1));
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kPrefix), 2u);
  EXPECT_EQ(rig.disk.ReadsOf(ContentPart::kWhole), 1u);
}

TEST(ReconcileReads, AgainWhereTheRecordedDigestIsOfAnotherAlgorithm) {
  ReconcileRig rig;
  rig.options.digest_algorithm = DigestAlgorithm::kXxh3_128;
  AddCopies(rig.disk, "a", 2, "content");
  rig.disk.RecordDigest("/a0");
  rig.disk.RecordDigest("/a1");
  const Reconciled result = rig.ScanAndRun();
  ASSERT_THAT(result.plans, SizeIs(1));
  EXPECT_EQ(result.plans[0].digest.algorithm, DigestAlgorithm::kXxh3_128);
  EXPECT_EQ(rig.disk.reads().size(), 2u);
}

TEST(ReconcileReads, AHardLinkedInodeOnce) {
  ReconcileRig rig;
  rig.disk.AddFile("/a", "content");
  for (std::size_t i = 0; i < 9; ++i) rig.disk.AddLink(absl::StrCat("/a", i), "/a");
  rig.disk.AddFile("/b", "content");
  ASSERT_THAT(rig.ScanAndRun().plans, SizeIs(1));
  EXPECT_EQ(rig.disk.reads().size(), 2u);
  EXPECT_EQ(rig.counters.group.items, 2u);
  EXPECT_EQ(rig.counters.digest.items, 2u);
  EXPECT_EQ(rig.counters.digest.bytes, 14u);
}

// Two inodes that are the same, each with so many names.
void AddTwoOfManyNames(FakeDisk& disk, std::size_t names, std::size_t name_bytes) {
  for (const std::string inode : {"/a", "/b"}) {
    disk.AddFile(inode, "content");
    for (std::size_t i = 1; i < names; ++i) {
      disk.AddLink(absl::StrCat(inode, i, std::string(name_bytes, '-')), inode);
    }
  }
}

std::size_t CopiesIn(const std::vector<Plan>& parts) {
  std::size_t copies = 0;
  for (const Plan& part : parts) copies += part.copies.size();
  return copies;
}

TEST(ReconcileReads, NamesOnceWhereInodesAreFew) {
  ReconcileRig rig;
  AddTwoOfManyNames(rig.disk, kLargeClassInodes, 10);
  EXPECT_EQ(CopiesIn(rig.ScanAndRun().plans), 2 * kLargeClassInodes);
  EXPECT_EQ(rig.disk.reads().size(), 2u);
  EXPECT_EQ(rig.candidates.read(), 2 * kLargeClassInodes);
}

TEST(ReconcileReads, NamesThatDoNotFitIntoMemoryAgain) {
  constexpr std::size_t kNameBytes = 4000;
  constexpr std::size_t kNames = kSmallClassNameBytes / kNameBytes;
  ReconcileRig rig;
  AddTwoOfManyNames(rig.disk, kNames, kNameBytes);
  EXPECT_EQ(CopiesIn(rig.ScanAndRun().plans), 2 * kNames);
  EXPECT_EQ(rig.disk.reads().size(), 2u);
  EXPECT_GT(rig.candidates.read(), 2 * 2 * kNames);
}

TEST(ReconcileReads, NothingOfAClassThatCannotMakeAPlan) {
  ReconcileRig rig;
  rig.options.across_devices_only = true;
  AddCopies(rig.disk, "a", kLargeClassInodes, "content");
  EXPECT_THAT(rig.ScanAndRun().plans, IsEmpty());
  EXPECT_THAT(rig.disk.reads(), IsEmpty());
}

}  // namespace
}  // namespace sluice
