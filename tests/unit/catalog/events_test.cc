#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Events = CatalogTest;

std::vector<std::uint64_t> Sequences(const std::vector<EventRecord>& events) {
  std::vector<std::uint64_t> sequences;
  sequences.reserve(events.size());
  for (const EventRecord& event : events) sequences.push_back(event.sequence);
  return sequences;
}

std::string PathOf(const EventRecord& event) { return std::get<FileEntry>(event.event).path; }

TEST_F(Events, FilesAndPayloadsComeBackInOneSequenceAfterReopening) {
  JobRecord job = NewJob("a");
  std::vector<EventRecord> events = {FileEvent("/f1", 1, 11), PayloadEvent(3, "p2"),
                                     FileEvent("/f3", 3, 13), PayloadEvent(4, "p4")};
  ASSERT_THAT(AppendAll(catalog(), job, events), IsOk());
  for (std::size_t i = 0; i < events.size(); ++i) events[i].sequence = i + 1;

  Reopen();
  EXPECT_EQ(ReadAllEvents(catalog(), "a", 3), events);
  EXPECT_EQ(Value(catalog().GetJob("a")), job);
}

TEST_F(Events, EveryFieldOfAFileComesBack) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
  JobRecord job = NewJob("a");
  EventRecord event = {.sequence = 1, .time_ns = -1};
  Digest digest = {.algorithm = DigestAlgorithm::kXxh3_128};
  digest.bytes[15] = 0xff;
  event.event = FileEntry{.path = "/x",
                          .stat = {.type = FileType::kBlockDevice,
                                   .size = kMax,
                                   .allocated_bytes = kMax - 1,
                                   .modify_time_ns = std::numeric_limits<std::int64_t>::min(),
                                   .change_time_ns = std::numeric_limits<std::int64_t>::max(),
                                   .device = kMax - 2,
                                   .inode = kMax - 3,
                                   .link_count = kMax32,
                                   .mode = 07777,
                                   .uid = kMax32 - 1,
                                   .gid = kMax32 - 2},
                          .digest = digest};
  ASSERT_THAT(AppendAll(catalog(), job, {event}), IsOk());
  EXPECT_THAT(ReadAllEvents(catalog(), "a", 10), ElementsAre(event));
}

TEST_F(Events, PathsAreBytesOfAnyKindAndLength) {
  std::string every_byte = "/";
  for (int byte = 1; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
  const std::string longer_than_path_max = "/" + std::string(12'000, '\xfe');
  NewScan("a", {FileEvent(every_byte, 1, 1), FileEvent(longer_than_path_max, 1, 2),
                FileEvent("/\n'\"", 1, 3)});

  const std::vector<EventRecord> events = ReadAllEvents(catalog(), "a", 10);
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(PathOf(events[0]), every_byte);
  EXPECT_EQ(PathOf(events[1]), longer_than_path_max);
  EXPECT_EQ(PathOf(events[2]), "/\n'\"");
}

TEST_F(Events, PayloadsAreBytesAndMayBeEmpty) {
  const std::string with_zero("a\0b", 3);
  NewScan("a", {PayloadEvent(1, with_zero), PayloadEvent(2, "")});
  const std::vector<EventRecord> events = ReadAllEvents(catalog(), "a", 10);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(std::get<EventPayload>(events[0].event).payload, with_zero);
  EXPECT_EQ(std::get<EventPayload>(events[1].event).payload, "");
}

TEST_F(Events, AppendWithAGapOrARepetitionIsRefusedAndWritesNothing) {
  JobRecord job = NewScan("a", {PayloadEvent(1, "one")});
  for (const std::uint64_t wrong : {std::uint64_t{1}, std::uint64_t{3}}) {
    EventRecord event = PayloadEvent(1, "two");
    event.sequence = wrong;
    JobRecord updated = job;
    updated.record = "new";
    updated.last_sequence = wrong;
    EXPECT_THAT(catalog().AppendEvents(updated, {&event, 1}), HasCode(absl::StatusCode::kInternal));
  }
  EXPECT_THAT(ReadAllEvents(catalog(), "a", 10), SizeIs(1));
  EXPECT_EQ(Value(catalog().GetJob("a")), job);
}

TEST_F(Events, AppendToAJobThatDisagreesOnTheLastSequenceIsRefused) {
  JobRecord job = NewJob("a");
  EventRecord event = PayloadEvent(1, "one");
  event.sequence = 1;
  EXPECT_THAT(catalog().AppendEvents(job, {&event, 1}), HasCode(absl::StatusCode::kInternal));
  EXPECT_THAT(ReadAllEvents(catalog(), "a", 10), IsEmpty());
}

TEST_F(Events, AppendWithoutEventsUpdatesTheJob) {
  JobRecord job = NewScan("a", {PayloadEvent(1, "one")});
  job.end_time_ns = 5;
  EXPECT_THAT(catalog().AppendEvents(job, {}), IsOk());
  EXPECT_EQ(Value(catalog().GetJob("a")), job);
}

TEST_F(Events, JobsDoNotSeeEachOthersEvents) {
  JobRecord a = NewScan("a", {PayloadEvent(1, "a1")});
  JobRecord b = NewScan("b", {PayloadEvent(1, "b1"), FileEvent("/b2", 1, 1)});
  ASSERT_THAT(AppendAll(catalog(), a, {FileEvent("/a2", 1, 1)}), IsOk());
  EXPECT_EQ(PathOf(ReadAllEvents(catalog(), "a", 10).at(1)), "/a2");
  EXPECT_EQ(PathOf(ReadAllEvents(catalog(), "b", 10).at(1)), "/b2");
}

TEST_F(Events, ReadingBeyondTheEndIsEmptyAndOfNoJobIsNotFound) {
  NewScan("a", {PayloadEvent(1, "one")});
  NewScan("b", {PayloadEvent(1, "one")});
  EXPECT_THAT(Value(catalog().ReadEvents("a", 2, 10)), IsEmpty());
  EXPECT_THAT(Value(catalog().ReadEvents("a", std::numeric_limits<std::uint64_t>::max(), 10)),
              IsEmpty());
  EXPECT_THAT(catalog().ReadEvents("c", 1, 10).status(), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(Events, APageEndsAfterItsBytes) {
  const std::string payload(Catalog::kPageBytes / 4, 'x');
  NewScan("a", std::vector<EventRecord>(12, PayloadEvent(1, payload)));
  EXPECT_THAT(Value(catalog().ReadEvents("a", 1, 100)), SizeIs(5));
  EXPECT_THAT(ReadAllEvents(catalog(), "a", 100), SizeIs(12));
}

TEST_F(Events, PagesOfAnySizeFromAnywhereHaveWhatWasAppendedInAnySteps) {
  JobRecord job = NewJob("a");
  for (const std::size_t count : {1, 700, 3, 512, 1, 1, 100}) {
    ASSERT_THAT(AppendAll(catalog(), job, std::vector(count, FileEvent("/x", 1, 1))), IsOk());
  }
  for (const std::size_t limit : {1, 2, 100, 512, 513, 5000}) {
    for (std::uint64_t first : {1, 2, 513, 701, 702, 1300}) {
      SCOPED_TRACE(testing::Message() << limit << " from " << first);
      while (true) {
        const std::vector<EventRecord> page = Value(catalog().ReadEvents("a", first, limit));
        if (page.empty()) break;
        ASSERT_LE(page.size(), limit);
        for (const EventRecord& event : page) ASSERT_EQ(event.sequence, first++);
      }
      ASSERT_EQ(first, job.last_sequence + 1);
    }
  }
}

TEST_F(Events, APageEndsWithAChunkRatherThanInsideOfTheNext) {
  JobRecord job = NewJob("a");
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(AppendAll(catalog(), job, std::vector(4, PayloadEvent(1, "x"))), IsOk());
  }
  EXPECT_THAT(Value(catalog().ReadEvents("a", 1, 10)), SizeIs(8));
  EXPECT_THAT(Value(catalog().ReadEvents("a", 9, 10)), SizeIs(4));
  EXPECT_THAT(Value(catalog().ReadEvents("a", 1, 3)), SizeIs(3));
}

TEST_F(Events, ReadPayloadsPassesOverOtherKinds) {
  NewScan("a", {PayloadEvent(1, "x"), PayloadEvent(2, "y"), FileEvent("/f", 1, 1),
                PayloadEvent(1, "z")});
  EXPECT_THAT(Sequences(Value(catalog().ReadPayloads("a", 1, 1, 10))), ElementsAre(1, 4));
  EXPECT_THAT(Sequences(Value(catalog().ReadPayloads("a", 2, 1, 10))), ElementsAre(4));
  EXPECT_THAT(Sequences(Value(catalog().ReadPayloads("a", 1, 1, 1))), ElementsAre(1));
}

class FileQueries : public CatalogTest {
 protected:
  FileQueries() {
    EventRecord digested = FileEvent("/a/c", 20, 2);
    std::get<FileEntry>(digested.event).digest = DigestOf(1);
    NewScan("a", {FileEvent("/a/b", 10, 1), digested, FileEvent("/a\xff", 30, 3),
                  PayloadEvent(1, "x"), FileEvent("/b", 40, 4)});
  }
  std::vector<std::uint64_t> Read(const FileQuery& query, std::uint64_t first = 1) {
    return Sequences(Value(catalog().ReadFiles("a", first, query, 10)));
  }
};

TEST_F(FileQueries, WithoutAConditionEveryFileAndNothingElse) {
  EXPECT_THAT(Read({}), ElementsAre(1, 2, 3, 5));
  EXPECT_THAT(Read({}, 3), ElementsAre(3, 5));
}

TEST_F(FileQueries, SizesAreInclusive) {
  EXPECT_THAT(Read({.min_size = 20, .max_size = 30}), ElementsAre(2, 3));
  EXPECT_THAT(Read({.max_size = std::numeric_limits<std::uint64_t>::max()}),
              ElementsAre(1, 2, 3, 5));
  EXPECT_THAT(Read({.min_size = std::numeric_limits<std::uint64_t>::max()}), IsEmpty());
}

TEST_F(FileQueries, ThePrefixIsBytes) {
  EXPECT_THAT(Read({.path_prefix = "/a"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Read({.path_prefix = "/a/"}), ElementsAre(1, 2));
  EXPECT_THAT(Read({.path_prefix = "/a\xff"}), ElementsAre(3));
}

TEST_F(FileQueries, TheDigestIsComparedWhole) {
  EXPECT_THAT(Read({.digest = DigestOf(1)}), ElementsAre(2));
  EXPECT_THAT(Read({.digest = DigestOf(2)}), IsEmpty());
  Digest other = *DigestOf(1);
  other.algorithm = DigestAlgorithm::kBlake2b256;
  EXPECT_THAT(Read({.digest = other}), IsEmpty());
}

}  // namespace
}  // namespace sluice
