#include "pipeline/stages/apply/journal_record.h"

#include <cerrno>
#include <cstdint>
#include <random>
#include <string>

#include "gtest/gtest.h"

#include "tests/unit/stages/apply/odd_records.h"

namespace sluice {
namespace {

constexpr std::uint32_t kSeeds = 50;

TEST(JournalRecord, IsTheSameAfterItWasBytes) {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    for (const JournalRecord& record : OddRecords(seed, 40))
      EXPECT_EQ(DecodeJournalRecord(EncodeJournalRecord(record)), record);
  }
}

TEST(JournalRecord, IsNoneWhenShortenedOrLengthened) {
  for (const JournalRecord& record : OddRecords(/*seed=*/1, 20)) {
    const std::string bytes = EncodeJournalRecord(record);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(DecodeJournalRecord(bytes.substr(0, size)), std::nullopt) << size;
    EXPECT_EQ(DecodeJournalRecord(bytes + '\0'), std::nullopt);
  }
}

TEST(JournalRecord, MayBeReadFromAnyBytes) {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (const JournalRecord& record : OddRecords(seed, 20)) {
      std::string bytes = EncodeJournalRecord(record);
      for (int changes = 0; changes < 20; ++changes) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
        // Whatever is read is a record as any other one.
        const auto read = DecodeJournalRecord(bytes);
        if (read) EXPECT_EQ(DecodeJournalRecord(EncodeJournalRecord(*read)), read);
      }
    }
  }
}

TEST(JournalRecord, HasRoomForTheLongestPathsAndAttributes) {
  const std::string path(64 * 1024, 'p');
  ChangeIntent intent{.path = path,
                      .kept_path = path,
                      .stage_directory = path,
                      .stage_name = std::string(255, 's'),
                      .symlink_target = path};
  intent.metadata.xattrs["user.x"] = std::string(kMaxXattrBytes, 'x');
  EXPECT_LE(EncodeJournalRecord(intent).size(), kMaxJournalRecordBytes);
  EXPECT_TRUE(FitsJournal(intent));
}

// The largest intent that fits is found by halving; then all that may become of it is written.
TEST(JournalRecord, WhatFitsFitsWhereverItIsDoneAndHoweverItEnds) {
  ChangeIntent intent{.path = "/" + std::string(64 * 1024, 'p'), .kept_path = "/kept"};
  for (std::size_t step = kMaxJournalRecordBytes; step > 0; step /= 2) {
    const std::size_t size = intent.plan.size();
    intent.plan.resize(size + step);
    if (!FitsJournal(intent)) intent.plan.resize(size);
  }
  EXPECT_GT(intent.plan.size(), kMaxJournalRecordBytes / 2);
  const std::string stage = intent.path + "/.sluice";
  ApplyOutcome outcome{.plan = intent.plan, .path = intent.path, .kept_path = intent.kept_path};
  outcome.failure = MakeItemError(intent.path, "exchange back (kept as " + stage + ")", EBUSY);
  EXPECT_LE(EncodeJournalRecord(ChangeDone{.position = {}, .outcome = outcome}).size(),
            kMaxJournalRecordBytes);
  intent.stage_directory = stage;
  intent.stage_name = std::string(255, 's');
  intent.old_inode = intent.kept_inode = {.device = ~0ULL, .inode = ~0ULL};
  intent.size = intent.position.plan_sequence = ~0ULL;
  EXPECT_LE(EncodeJournalRecord(intent).size(), kMaxJournalRecordBytes);
}

}  // namespace
}  // namespace sluice
