#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/catalog/sqlite/connection.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Opens what is in a directory, and looks whether it is left as it was.
class Opening : public testing::Test {
 protected:
  absl::Status Open() const { return OpenSqliteCatalog(directory_.path()).status(); }

  // A catalog with a job, closed.
  void MakeCatalog() {
    const auto catalog = Value(OpenSqliteCatalog(directory_.path()));
    EXPECT_THAT(catalog->CreateJob(MakeJob("a")), IsOk());
  }
  void Execute(const std::string& sql) {
    Connection(database_, Connection::Access::kCreate, 1024).Execute(sql);
  }
  void ExpectRefusedUntouched(absl::StatusCode code, const std::string& message) {
    const std::string before = ReadWholeFile(database_);
    const absl::Status status = Open();
    EXPECT_THAT(status, HasCode(code));
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_EQ(ReadWholeFile(database_), before) << "the file was changed";
  }

  TempDirectory directory_;
  const std::string database_ = directory_.File("catalog.sqlite");
};

TEST_F(Opening, ASecondOpenerIsRefusedAndToldWhoHasIt) {
  const auto first = Value(OpenSqliteCatalog(directory_.path()));
  const absl::Status second = Open();
  EXPECT_THAT(second, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(second.message()),
              AllOf(HasSubstr(directory_.path()), HasSubstr(absl::StrCat("pid ", ::getpid()))));
}

TEST_F(Opening, ClosingFreesTheDirectoryAndMergesTheLog) {
  MakeCatalog();
  EXPECT_FALSE(std::filesystem::exists(database_ + "-wal"));
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(Opening, FilesAreTheOwnersOnly) {
  MakeCatalog();
  struct stat found{};
  ASSERT_EQ(::stat(database_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600);
}

TEST_F(Opening, TheTemporaryDirectoryIsEmptied) {
  MakeCatalog();
  std::filesystem::create_directories(directory_.File("tmp/sub"));
  WriteWholeFile(directory_.File("tmp/sub/left"), "by a crash");
  EXPECT_THAT(Open(), IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.File("tmp")));
}

TEST_F(Opening, ALinkInPlaceOfTheTemporaryDirectoryIsNotFollowed) {
  const TempDirectory other;
  WriteWholeFile(other.File("precious"), "");
  std::filesystem::create_directory_symlink(other.path(), directory_.File("tmp"));
  EXPECT_THAT(Open(), HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(std::filesystem::exists(other.File("precious")));
}

TEST_F(Opening, WithoutADirectoryItFails) {
  const std::string file = directory_.File("file");
  WriteWholeFile(file, "");
  for (const std::string& path : {file, directory_.File("missing")}) {
    EXPECT_THAT(OpenSqliteCatalog(path).status(), HasCode(absl::StatusCode::kFailedPrecondition));
  }
}

TEST_F(Opening, ADirectoryInPlaceOfTheDatabaseIsRefused) {
  std::filesystem::create_directory(database_);
  EXPECT_THAT(Open(), HasCode(absl::StatusCode::kFailedPrecondition));
}

TEST_F(Opening, ANewerSchemaIsRefusedUntouched) {
  MakeCatalog();
  Execute("PRAGMA user_version = 999");
  ExpectRefusedUntouched(absl::StatusCode::kFailedPrecondition, "999");
  ExpectRefusedUntouched(absl::StatusCode::kFailedPrecondition, "up to 4");
}

TEST_F(Opening, GarbageIsRefusedUntouched) {
  WriteWholeFile(database_, std::string(10'000, 'g'));
  ExpectRefusedUntouched(absl::StatusCode::kDataLoss, "not an SQLite database");
}

TEST_F(Opening, AnEmptyFileIsNotTakenForANewCatalog) {
  WriteWholeFile(database_, "");
  ExpectRefusedUntouched(absl::StatusCode::kDataLoss, "cut short");
}

TEST_F(Opening, TheDatabaseOfAnotherApplicationIsRefusedUntouched) {
  Execute("CREATE TABLE theirs (x); PRAGMA user_version = 1");
  ExpectRefusedUntouched(absl::StatusCode::kDataLoss, "another application");
}

TEST_F(Opening, AMissingTableIsDamage) {
  MakeCatalog();
  Execute("DROP TABLE event_chunk");
  ExpectRefusedUntouched(absl::StatusCode::kDataLoss, "table event_chunk is missing");
}

TEST_F(Opening, AFileCutAnywhereIsRefusedUntouched) {
  MakeCatalog();
  const std::string whole = ReadWholeFile(database_);
  for (std::size_t size = 1; size < whole.size(); size += 4095) {
    WriteWholeFile(database_, whole.substr(0, size));
    ExpectRefusedUntouched(absl::StatusCode::kDataLoss, "");
  }
}

TEST_F(Opening, ALogWithoutItsDatabaseIsDamageNotANewBeginning) {
  WriteWholeFile(database_ + "-wal", "log");
  EXPECT_THAT(Open(), HasCode(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(std::filesystem::exists(database_));
}

TEST_F(Opening, WorksInADirectoryWhoseNameNeedsQuoting) {
  const std::string odd = directory_.File("it's 100%?#\xff");
  std::filesystem::create_directory(odd);
  const auto catalog = Value(OpenSqliteCatalog(odd));
  EXPECT_THAT(catalog->CreateJob(MakeJob("a")), IsOk());
  EXPECT_THAT(catalog->OpenCandidates({.scans = {"a"}}, {}).status(), IsOk());
}

}  // namespace
}  // namespace sluice
