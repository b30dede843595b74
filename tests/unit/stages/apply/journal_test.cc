#include "pipeline/stages/apply/journal.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include <xxhash.h>

#include "pipeline/stages/apply/journal_record.h"
#include "tests/unit/fs/temp_tree.h"
#include "tests/unit/stages/apply/odd_records.h"

namespace sluice {
namespace {

using Records = std::vector<JournalRecord>;

std::unique_ptr<ApplyJournal> OpenJournal(const std::string& path) {
  auto journal = ApplyJournal::Open(path);
  EXPECT_TRUE(journal.ok()) << journal.status();
  return *std::move(journal);
}

void AppendAll(ApplyJournal& journal, const Records& records) {
  for (const JournalRecord& record : records) ASSERT_TRUE(journal.Append(record).ok());
}

// Up to the end, which must be one.
Records TakeAll(ApplyJournal::Reader& reader) {
  Records records;
  for (;;) {
    auto record = reader.Next();
    EXPECT_TRUE(record.ok()) << record.status();
    if (!record.ok() || !*record) return records;
    records.push_back(**std::move(record));
  }
}

Records RecordsOf(const std::string& path) {
  auto reader = ApplyJournal::Reader::Open(path);
  EXPECT_TRUE(reader.ok()) << reader.status();
  return TakeAll(*reader);
}

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The bytes of a journal of these records.
std::string JournalOf(const Records& records) {
  const TempTree tree(FastTempDir());
  AppendAll(*OpenJournal(tree.Path("journal")), records);
  return BytesOf(tree.Path("journal"));
}

// While it lives, no file may grow beyond `bytes`.
class FileSizeLimit final {
 public:
  explicit FileSizeLimit(std::uint64_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    (void)std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(ApplyJournal, GivesBackWhatWasAppended) {
  const TempTree tree(FastTempDir());
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    const std::string path = tree.Path(std::to_string(seed));
    const Records records = OddRecords(seed, 200);
    const auto journal = OpenJournal(path);
    AppendAll(*journal, records);
    ASSERT_TRUE(journal->Sync().ok());
    EXPECT_EQ(RecordsOf(path), records);
  }
}

TEST(ApplyJournal, IsPrivateToItsOwner) {
  const TempTree tree;
  OpenJournal(tree.Path("journal"));
  EXPECT_EQ(tree.Stat("journal").mode & 077, 0U);
  EXPECT_EQ(RecordsOf(tree.Path("journal")), Records());
}

TEST(ApplyJournal, GoesOnWhereItEnded) {
  const TempTree tree;
  const std::string path = tree.Path("journal");
  const Records records = OddRecords(/*seed=*/1, 30);
  for (const JournalRecord& record : records) AppendAll(*OpenJournal(path), {record});
  EXPECT_EQ(RecordsOf(path), records);
}

TEST(ApplyJournal, IsReadWhileItGrows) {
  const TempTree tree;
  const auto journal = OpenJournal(tree.Path("journal"));
  auto reader = *ApplyJournal::Reader::Open(tree.Path("journal"));
  EXPECT_EQ(TakeAll(reader), Records());
  for (std::uint32_t seed = 0; seed < 5; ++seed) {
    const Records records = OddRecords(seed, 50);
    AppendAll(*journal, records);
    EXPECT_EQ(TakeAll(reader), records);
  }
}

TEST(ApplyJournal, CutAtAnyByteHoldsTheWholeRecordsBefore) {
  const TempTree tree(FastTempDir());
  const Records records = OddRecords(/*seed=*/2, 6);
  const std::string bytes = JournalOf(records);
  const JournalRecord next = OddRecords(/*seed=*/3, 1).front();
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    SCOPED_TRACE(size);
    const std::string path = tree.Write("journal", bytes.substr(0, size));
    Records left = RecordsOf(path);
    ASSERT_LE(left.size(), records.size());
    ASSERT_TRUE(std::equal(left.begin(), left.end(), records.begin()));
    ASSERT_EQ(left.size() == records.size(), size == bytes.size());
    ASSERT_TRUE(OpenJournal(path)->Append(next).ok());
    left.push_back(next);
    ASSERT_EQ(RecordsOf(path), left);
  }
}

TEST(ApplyJournal, EndsBeforeARecordThatWasChanged) {
  const TempTree tree(FastTempDir());
  const Records records = OddRecords(/*seed=*/4, 6);
  const std::string bytes = JournalOf(records);
  for (std::size_t at = 8; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    const Records left = RecordsOf(tree.Write("journal", changed));
    ASSERT_LT(left.size(), records.size()) << at;
    ASSERT_TRUE(std::equal(left.begin(), left.end(), records.begin())) << at;
  }
}

TEST(ApplyJournal, EndsBeforeBytesThatWereNeverWritten) {
  const TempTree tree;
  const Records records = OddRecords(/*seed=*/5, 3);
  const std::string path = tree.Write("journal", JournalOf(records) + std::string(100'000, '\0'));
  EXPECT_EQ(RecordsOf(path), records);
  OpenJournal(path);
  EXPECT_EQ(BytesOf(path), JournalOf(records));
}

TEST(ApplyJournal, MayBeReadFromAnyBytes) {
  const TempTree tree(FastTempDir());
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string bytes = JournalOf({});
    for (std::uint32_t left = random() % 5000; left > 0; --left)
      bytes.push_back(static_cast<char>(random()));
    EXPECT_EQ(RecordsOf(tree.Write("journal", bytes)), Records());
  }
}

TEST(ApplyJournal, OverwritesNothingThatIsNoJournal) {
  const TempTree tree;
  std::string newer = JournalOf({});
  ++newer.back();
  for (const std::string& bytes : {std::string("something else"), std::string("x"), newer}) {
    const std::string path = tree.Write("journal", bytes);
    EXPECT_EQ(ApplyJournal::Open(path).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ApplyJournal::Reader::Open(path).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(BytesOf(path), bytes);
  }
}

TEST(ApplyJournal, SaysWhatIsMissing) {
  const TempTree tree;
  EXPECT_EQ(ApplyJournal::Open(tree.Path("no/journal")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ApplyJournal::Reader::Open(tree.Path("journal")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ApplyJournal::Open(tree.root()).status().code(), absl::StatusCode::kUnavailable);
}

TEST(ApplyJournal, RefusesARecordThatIsTooLargeAndGoesOn) {
  const TempTree tree;
  const auto journal = OpenJournal(tree.Path("journal"));
  const ChangeIntent large{.path = std::string(kMaxJournalRecordBytes, 'p')};
  EXPECT_EQ(journal->Append(large).code(), absl::StatusCode::kInvalidArgument);
  const Records records = OddRecords(/*seed=*/6, 2);
  AppendAll(*journal, records);
  EXPECT_EQ(RecordsOf(tree.Path("journal")), records);
}

TEST(ApplyJournal, IsBrokenForGoodOnceAWriteHasFailed) {
  const TempTree tree;
  const auto journal = OpenJournal(tree.Path("journal"));
  const Records synced = OddRecords(/*seed=*/7, 2);
  AppendAll(*journal, synced);
  ASSERT_TRUE(journal->Sync().ok());
  AppendAll(*journal, OddRecords(/*seed=*/8, 2));
  {
    const FileSizeLimit full(tree.Stat("journal").size + 10);
    EXPECT_EQ(journal->Append(synced[0]).code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(journal->Append(synced[0]).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(journal->Sync().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RecordsOf(tree.Path("journal")), synced);
}

TEST(ApplyJournal, ReportsARecordThatNoCrashHasDamaged) {
  // A body of a kind that there is not, with the checksum that belongs to it.
  const std::string body = "\x7f";
  std::string record("\1\0\0\0", 4);
  for (std::uint64_t sum = XXH3_64bits(body.data(), body.size()), i = 0; i < 8; ++i)
    record.push_back(static_cast<char>(sum >> (8 * i)));
  const TempTree tree;
  const std::string path = tree.Write("journal", JournalOf({}) + record + body);
  auto reader = *ApplyJournal::Reader::Open(path);
  EXPECT_EQ(reader.Next().status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace sluice
