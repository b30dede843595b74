#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Candidates : public CatalogTest {
 protected:
  std::vector<CandidateFile> Open(const CandidateQuery& query) {
    const auto list = Value(catalog().OpenCandidates(query, std::stop_token()));
    return Value(list->Read(0, 1000));
  }
  std::size_t FilesInTemporaryDirectory() const {
    const std::filesystem::directory_iterator entries(directory().File("tmp"));
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }
};

std::vector<std::string> Paths(const std::vector<CandidateFile>& files) {
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const CandidateFile& file : files) paths.push_back(file.file.path);
  return paths;
}

FileEntry& FileOf(EventRecord& event) { return std::get<FileEntry>(event.event); }

TEST_F(Candidates, AreTheFilesThatShareTheirSizeWithAnotherInode) {
  NewScan("a", {FileEvent("/alone", 1, 1), FileEvent("/x", 2, 2), FileEvent("/y", 2, 3),
                FileEvent("/link1", 3, 4), FileEvent("/link2", 3, 4)});
  EXPECT_THAT(Paths(Open({.scans = {"a"}})), ElementsAre("/x", "/y"));
}

TEST_F(Candidates, ComeBackWithEveryField) {
  EventRecord x = FileEvent("/x\xff", 2, 2);
  FileOf(x).digest = DigestOf(9);
  NewScan("other", {});
  NewScan("a", {x, FileEvent("/y", 2, 3)});
  const std::vector<CandidateFile> files = Open({.scans = {"other", "a"}});
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_EQ(files[0].file, FileOf(x));
  EXPECT_EQ(files[0].scan_index, 1);
  EXPECT_EQ(files[0].size_class, files[1].size_class);
}

TEST_F(Candidates, ClassesThatCanGiveBackMostComeFirst) {
  // 10 x 3 other inodes = 30, 25 x 1 = 25, 2 x 1 = 2.
  NewScan("a", {FileEvent("/2a", 2, 1), FileEvent("/25a", 25, 2), FileEvent("/10a", 10, 3),
                FileEvent("/2b", 2, 4), FileEvent("/25b", 25, 5), FileEvent("/10b", 10, 6),
                FileEvent("/10c", 10, 7), FileEvent("/10d", 10, 8)});
  const std::vector<CandidateFile> files = Open({.scans = {"a"}});
  EXPECT_THAT(Paths(files),
              ElementsAre("/10a", "/10b", "/10c", "/10d", "/25a", "/25b", "/2a", "/2b"));
  EXPECT_LT(files[0].size_class, files[4].size_class);
  EXPECT_LT(files[4].size_class, files[6].size_class);
}

TEST_F(Candidates, PotentialsBeyond64BitsAreInOrder) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
  std::vector<EventRecord> events;
  for (std::uint64_t i = 0; i < 4; ++i) {
    events.push_back(FileEvent(absl::StrCat("/small", i), 1, 10 + i));
    events.push_back(FileEvent(absl::StrCat("/huge", i), kHuge, 20 + i));
  }
  NewScan("a", std::move(events));
  EXPECT_EQ(Open({.scans = {"a"}}).front().file.path, "/huge0");
}

TEST_F(Candidates, NamesOfAnInodeFollowEachOtherByPath) {
  NewScan("a", {FileEvent("/c", 5, 1), FileEvent("/b", 5, 2), FileEvent("/a", 5, 1)});
  EXPECT_THAT(Paths(Open({.scans = {"a"}})), ElementsAre("/a", "/c", "/b"));
}

TEST_F(Candidates, ANameRecordedTwiceAppearsOnceWithTheDigest) {
  EventRecord digested = FileEvent("/x", 5, 1);
  FileOf(digested).digest = DigestOf(1);
  NewScan("a", {FileEvent("/x", 5, 1), FileEvent("/y", 5, 2)});
  NewScan("b", {digested});
  const std::vector<CandidateFile> files = Open({.scans = {"a", "b"}});
  EXPECT_THAT(Paths(files), ElementsAre("/x", "/y"));
  EXPECT_EQ(files[0].file.digest, DigestOf(1));
  EXPECT_EQ(files[0].scan_index, 1);
}

TEST_F(Candidates, TheNewestVersionOfANameIsTakenEvenWithoutADigest) {
  EventRecord old_version = FileEvent("/x", 5, 1);
  FileOf(old_version).digest = DigestOf(1);
  EventRecord new_version = FileEvent("/x", 5, 1);
  FileOf(new_version).stat.change_time_ns += 1;
  NewScan("a", {old_version, FileEvent("/y", 5, 2)});
  NewScan("b", {new_version});
  EXPECT_EQ(Open({.scans = {"a", "b"}}).front().file, FileOf(new_version));
}

TEST_F(Candidates, OneNameInTwoScansIsNoPair) {
  NewScan("a", {FileEvent("/x", 5, 1)});
  NewScan("b", {FileEvent("/x", 5, 1)});
  EXPECT_THAT(Open({.scans = {"a", "b"}}), IsEmpty());
}

TEST_F(Candidates, WithinScansClassesDoNotCrossThem) {
  NewScan("a", {FileEvent("/x", 5, 1), FileEvent("/y", 5, 2), FileEvent("/z", 6, 3)});
  NewScan("b", {FileEvent("/p", 5, 4), FileEvent("/q", 5, 5), FileEvent("/r", 6, 6)});
  const std::vector<CandidateFile> files =
      Open({.scans = {"a", "b"}, .scope = CandidateQuery::Scope::kWithinScan});
  EXPECT_THAT(Paths(files), ElementsAre("/x", "/y", "/p", "/q"));
  EXPECT_NE(files[0].size_class, files[2].size_class);
}

TEST_F(Candidates, SizesOutOfBoundsAndOtherTypesAreLeftOut) {
  std::vector<EventRecord> events;
  events.reserve(8);
  for (std::uint64_t i = 0; i < 8; ++i) {
    events.push_back(FileEvent(absl::StrCat("/", i), i / 2, i + 1));
  }
  FileOf(events[4]).stat.type = FileType::kSymlink;
  NewScan("a", events);
  EXPECT_THAT(Paths(Open({.scans = {"a"}})), ElementsAre("/6", "/7", "/2", "/3"));
  EXPECT_THAT(Paths(Open({.scans = {"a"}, .min_size = 0, .max_size = 1})),
              ElementsAre("/2", "/3", "/0", "/1"));
}

TEST_F(Candidates, AnUnknownScanIsNotFound) {
  EXPECT_THAT(catalog().OpenCandidates({.scans = {"a"}}, std::stop_token()).status(),
              HasCode(absl::StatusCode::kNotFound));
}

TEST_F(Candidates, TheListIsASnapshotAndLeavesNoName) {
  JobRecord scan = NewScan("a", {FileEvent("/x", 5, 1), FileEvent("/y", 5, 2)});
  const auto list = Value(catalog().OpenCandidates({.scans = {"a"}}, std::stop_token()));
  ASSERT_THAT(AppendAll(catalog(), scan, {FileEvent("/z", 5, 3)}), IsOk());
  EXPECT_THAT(Paths(Value(list->Read(1, 1))), ElementsAre("/y"));
  EXPECT_THAT(Value(list->Read(2, 1)), IsEmpty());
  EXPECT_EQ(list->size(), 2U);
  EXPECT_EQ(FilesInTemporaryDirectory(), 0);
}

// Many more than fit the caches: sorts spill to files, reads go on across slices.
class ManyCandidates : public Candidates {
 protected:
  static constexpr std::uint64_t kFiles = 200'000;

  ManyCandidates() {
    constexpr std::uint64_t kBatch = 2000;
    JobRecord job = NewJob("a");
    for (std::uint64_t first = 0; first < kFiles; first += kBatch) {
      std::vector<EventRecord> events;
      for (std::uint64_t i = first; i < first + kBatch; ++i) {
        events.push_back(FileEvent(absl::StrCat("/directory/of/files/", i), 1 + i % 5000, i + 1));
      }
      EXPECT_THAT(AppendAll(catalog(), job, std::move(events)), IsOk());
    }
  }
};

TEST_F(ManyCandidates, ArePagedInOrderWithoutAGap) {
  const auto list = Value(catalog().OpenCandidates({.scans = {"a"}}, std::stop_token()));
  std::uint64_t position = 0;
  std::uint64_t last_size = 5001;
  while (true) {
    const std::vector<CandidateFile> page = Value(list->Read(position, 999));
    if (page.empty()) break;
    for (const CandidateFile& candidate : page) {
      ASSERT_LE(candidate.file.stat.size, last_size);
      last_size = candidate.file.stat.size;
    }
    position += page.size();
  }
  EXPECT_EQ(position, kFiles);
}

TEST_F(ManyCandidates, AreTheSameFromAnyPositionForAnyNumberOfReaders) {
  const auto list = Value(catalog().OpenCandidates({.scans = {"a"}}, std::stop_token()));
  constexpr std::uint64_t kReaders = 7;
  constexpr std::uint64_t kEach = kFiles / kReaders;
  for (std::uint64_t i = 0; i < 6; ++i) {
    for (std::uint64_t reader = 0; reader < kReaders; ++reader) {
      const std::uint64_t first = reader * kEach + i * 300;
      const std::vector<CandidateFile> page = Value(list->Read(first, 300));
      ASSERT_THAT(page, SizeIs(300));
      for (const std::uint64_t offset : {0, 1, 150, 299}) {
        const std::vector<CandidateFile> one = Value(list->Read(first + offset, 1));
        ASSERT_EQ(one.at(0).file, page[offset].file);
        ASSERT_EQ(one[0].size_class, page[offset].size_class);
      }
    }
  }
  EXPECT_THAT(Value(list->Read(kFiles - 1, 10)), SizeIs(1));
}

TEST_F(Candidates, OfAClassOfVeryManyNamesAreFoundAtAnyPosition) {
  constexpr std::uint64_t kNames = 30'000;
  std::vector<EventRecord> events;
  // Three names an inode, each recorded twice.
  for (std::uint64_t i = 0; i < kNames; ++i) {
    events.push_back(FileEvent(absl::StrCat("/", 100'000 + i), 5, 1 + i / 3));
    events.push_back(events.back());
  }
  NewScan("a", std::move(events));
  const auto list = Value(catalog().OpenCandidates({.scans = {"a"}}, std::stop_token()));
  ASSERT_EQ(list->size(), kNames);
  for (std::uint64_t position = kNames; position >= 1000; position -= 777) {
    const std::vector<CandidateFile> page = Value(list->Read(position - 3, 3));
    ASSERT_EQ(page.at(0).file.path, absl::StrCat("/", 100'000 + position - 3));
    ASSERT_EQ(page.at(2).file.path, absl::StrCat("/", 100'000 + position - 1));
  }
}

TEST_F(ManyCandidates, AStopEndsTheBuildingAndLeavesNoFile) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(catalog().OpenCandidates({.scans = {"a"}}, stop.get_token()).status(),
              HasCode(absl::StatusCode::kCancelled));
  EXPECT_EQ(FilesInTemporaryDirectory(), 0);
}

TEST_F(ManyCandidates, AStopFromAnotherThreadWinsOrComesTooLate) {
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  const absl::Status status = catalog().OpenCandidates({.scans = {"a"}}, stop.get_token()).status();
  EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace sluice
