// What jobs have found out about contents, and lists of candidates that use it.
#include <cstdint>
#include <limits>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/catalog/sqlite/connection.h"
#include "tests/unit/catalog/fixture.h"
#include "tests/unit/catalog/script.h"

namespace sluice {
namespace {

constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::max();

// What is known of FileEvent("...", size, inode).
KnownContent ContentOf(std::uint64_t size, std::uint64_t inode, std::uint8_t digest) {
  KnownContent content{
      .size = size, .device = 7, .inode = inode, .modify_time_ns = 5, .change_time_ns = 6};
  content.key.of(ContentPart::kPrefix) = DigestOf(digest);
  return content;
}

class Contents : public CatalogTest {
 protected:
  JobRecord NewJobThatKnows(const std::string& id, const std::vector<KnownContent>& contents) {
    JobRecord job = NewJob(id, "reconcile");
    EXPECT_THAT(catalog().Append(job, {}, contents), IsOk());
    return job;
  }
  // The prefixes that are known, in the order of the list; 0 where none is.
  std::vector<int> Known(const CandidateQuery& query) {
    const auto list = Value(catalog().OpenCandidates(query, std::stop_token()));
    std::vector<int> known;
    for (std::uint64_t i = 0; i < list->size(); ++i) {
      const CandidateFile candidate = Value(list->Read(i, 1)).at(0);
      const std::optional<Digest>& digest = candidate.known.of(ContentPart::kPrefix);
      known.push_back(digest ? digest->bytes[0] : 0);
    }
    return known;
  }
  std::size_t StoredContents() {
    Close();
    return CountStoredContents(directory().path());
  }
};

using testing::ElementsAre;

TEST_F(Contents, StandBesideTheFilesOfTheirVersion) {
  NewScan("a", {FileEvent("/x", 2, 1), FileEvent("/y", 2, 2), FileEvent("/z", 2, 3)});
  KnownContent other_size = ContentOf(3, 2, 8);
  NewJobThatKnows("k", {ContentOf(2, 3, 9), other_size, ContentOf(2, 1, 7)});
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", kAlways}}}), ElementsAre(7, 0, 9));
  EXPECT_THAT(Known({.scans = {"a"}}), ElementsAre(0, 0, 0));
}

TEST_F(Contents, OfTheLongerPartsOfVersion3AreForgotten) {
  NewScan("a", {FileEvent("/x", 2, 1), FileEvent("/y", 2, 2)});
  NewJobThatKnows("k", {ContentOf(2, 1, 7)});
  ASSERT_EQ(StoredContents(), 1u);
  Connection(directory().File("catalog.sqlite"), Connection::Access::kWrite, 1024)
      .Execute("PRAGMA user_version = 3");
  Reopen();
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", kAlways}}}), ElementsAre(0, 0));
  EXPECT_EQ(StoredContents(), 0u);
}

TEST_F(Contents, OfAnotherVersionAreNotUsed) {
  NewScan("a", {FileEvent("/x", 2, 1), FileEvent("/y", 2, 2), FileEvent("/z", 2, 3)});
  std::vector<KnownContent> contents = {ContentOf(2, 1, 1), ContentOf(2, 2, 2), ContentOf(2, 3, 3)};
  contents[0].modify_time_ns += 1;
  contents[1].change_time_ns += 1;
  contents[2].device += 1;
  NewJobThatKnows("k", contents);
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", kAlways}}}), ElementsAre(0, 0, 0));
}

TEST_F(Contents, AreTrustedOnlyWhereBothTimesAreOldEnough) {
  NewScan("a", {FileEvent("/x", 2, 1), FileEvent("/y", 2, 2)});
  NewJobThatKnows("k", {ContentOf(2, 1, 1), ContentOf(2, 2, 2)});
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", 7}}}), ElementsAre(1, 2));
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", 6}}}), ElementsAre(0, 0));
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", 5}}}), ElementsAre(0, 0));
}

TEST_F(Contents, OfTheLastJobThatKnowsCount) {
  NewScan("a", {FileEvent("/x", 2, 1), FileEvent("/y", 2, 2)});
  NewJobThatKnows("k", {ContentOf(2, 1, 1), ContentOf(2, 2, 2)});
  NewJobThatKnows("l", {ContentOf(2, 1, 3)});
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"k", kAlways}, {"l", kAlways}}}),
              ElementsAre(3, 2));
  EXPECT_THAT(Known({.scans = {"a"}, .known = {{"l", kAlways}, {"k", kAlways}}}),
              ElementsAre(1, 2));
}

TEST_F(Contents, StandBesideEveryNameAndClassOfTheirInode) {
  NewScan("a", {FileEvent("/x1", 2, 1), FileEvent("/x2", 2, 1), FileEvent("/y", 2, 2)});
  NewScan("b", {FileEvent("/x3", 2, 1), FileEvent("/z", 2, 3)});
  NewJobThatKnows("k", {ContentOf(2, 1, 1), ContentOf(2, 3, 3)});
  EXPECT_THAT(Known({.scans = {"a", "b"},
                     .scope = CandidateQuery::Scope::kWithinScan,
                     .known = {{"k", kAlways}}}),
              ElementsAre(1, 1, 0, 1, 3));
}

TEST_F(Contents, OfMoreThanFitIntoOneRowOrIntoMemoryAreAllFound) {
  constexpr std::uint64_t kFiles = 30'000;
  std::vector<EventRecord> files;
  std::vector<KnownContent> contents;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    files.push_back(FileEvent(absl::StrCat("/", i), 1 + i / 10'000, i + 1));
    contents.push_back(ContentOf(1 + i / 10'000, i + 1, static_cast<std::uint8_t>(i % 255 + 1)));
  }
  NewScan("a", std::move(files));
  NewJobThatKnows("k", contents);
  const auto list =
      Value(catalog().OpenCandidates({.scans = {"a"}, .known = {{"k", kAlways}}}, {}));
  std::uint64_t position = 0;
  for (std::uint64_t size = 3; size > 0; --size) {
    for (std::uint64_t i = (size - 1) * 10'000; i < size * 10'000; i += 500, position += 500) {
      const std::vector<CandidateFile> page = Value(list->Read(position, 500));
      for (std::uint64_t j = 0; j < 500; ++j) ASSERT_EQ(page[j].known, contents[i + j].key);
    }
  }
}

TEST_F(Contents, AreGivenUpWithTheEventsAndPurged) {
  JobRecord expired = NewJobThatKnows("k", {ContentOf(2, 1, 1)});
  expired.end_time_ns = 1;
  const std::vector<KnownContent> more = {ContentOf(2, 2, 2)};
  ASSERT_THAT(catalog().Append(expired, {}, more), IsOk());
  NewJobThatKnows("deleted", {ContentOf(2, 1, 1)});
  NewJobThatKnows("stays", {ContentOf(2, 2, 5)});
  NewScan("a", {FileEvent("/x", 2, 1), FileEvent("/y", 2, 2)});
  const CandidateQuery query{.scans = {"a"},
                             .known = {{"stays", kAlways}, {"k", kAlways}, {"deleted", kAlways}}};
  EXPECT_THAT(Known(query), ElementsAre(1, 2));
  ASSERT_THAT(catalog().DeleteJob("deleted"), IsOk());
  for (int i = 0; i < 2; ++i) ASSERT_THAT(catalog().ExpireEvents("k"), IsOk());
  Reopen();
  EXPECT_THAT(Known(query), ElementsAre(0, 5));
  EXPECT_TRUE(Value(catalog().Purge(1)));
  while (Value(catalog().Purge(1))) {
  }
  EXPECT_EQ(StoredContents(), 1U);
}

TEST_F(Contents, ComeWithTheEventsOrNotAtAll) {
  JobRecord job = NewJob("k");
  job.last_sequence = 5;  // Wrong.
  EXPECT_THAT(catalog().Append(job, {}, std::vector{ContentOf(2, 1, 1)}),
              HasCode(absl::StatusCode::kInternal));
  EXPECT_EQ(StoredContents(), 0U);
}

}  // namespace
}  // namespace sluice
