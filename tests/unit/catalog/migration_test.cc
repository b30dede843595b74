#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/schema.h"
#include "tests/unit/catalog/faulty_vfs.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// Rows as version 1 wrote them: a scan that has ended, a scan that has not, and a job that ended
// without any event.
constexpr char kRowsOfVersion1[] = R"sql(
  INSERT INTO job VALUES (1, 'a', 'scan', 1, 'request', x'aa', 2, x'01');
  INSERT INTO job VALUES (2, 'b', 'scan', 0, NULL, x'', 1, x'02');
  INSERT INTO job VALUES (5, 'c', 'reconcile', 1, NULL, x'', 0, x'03');
  INSERT INTO file VALUES ((1 << 36) | 1, 70, 0, 9, 9, 1, 1, 1, 1, 1, 420, 0, 0, NULL, x'2f78');
  INSERT INTO event VALUES ((1 << 36) | 2, 80, 7, x'04');
  INSERT INTO file VALUES ((2 << 36) | 1, 90, 0, 9, 9, 1, 1, 1, 2, 1, 420, 0, 0, NULL, x'2f79');
)sql";

void MakeVersion1(const TempDirectory& directory) {
  Connection connection(directory.File("catalog.sqlite"), Connection::Access::kCreate, 1024);
  connection.Execute(absl::StrCat("PRAGMA application_id = ", kApplicationId));
  Migrate(connection, Migrations().first(1));
  connection.Execute("PRAGMA journal_mode = WAL");
  connection.Execute(kRowsOfVersion1);
}

void ExpectEverythingIsThere(Catalog& catalog) {
  EXPECT_THAT(
      Value(catalog.ListJobs("", "", 10)),
      ElementsAre(JobRecord{.id = "c", .kind = "reconcile", .end_time_ns = 1, .record = "\3"},
                  JobRecord{.id = "b", .kind = "scan", .last_sequence = 1, .record = "\2"},
                  JobRecord{.id = "a",
                            .kind = "scan",
                            .request_id = "request",
                            .request_hash = "\xaa",
                            .end_time_ns = 80,
                            .last_sequence = 2,
                            .record = "\1"}));
  EXPECT_THAT(ReadAllEvents(catalog, "a", 10), SizeIs(2));
  EXPECT_THAT(ReadAllEvents(catalog, "b", 10), SizeIs(1));
}

TEST(Migration, FromVersion1KeepsEverythingAndTakesTheEndFromTheLastEvent) {
  const TempDirectory directory;
  MakeVersion1(directory);
  const auto catalog = Value(OpenSqliteCatalog(directory.path()));
  ExpectEverythingIsThere(*catalog);
  EXPECT_THAT(Value(catalog->ListUnendedJobs("", 10)), SizeIs(1));
  EXPECT_THAT(Value(catalog->ListEndedJobs(Catalog::Retained::kExpirable, 1000, 10)), SizeIs(1));
}

TEST(Migration, JobsOfVersion1GoOnAndNewOnesDoNotTakeTheirNumbers) {
  const TempDirectory directory;
  MakeVersion1(directory);
  const auto catalog = Value(OpenSqliteCatalog(directory.path()));
  JobRecord b = Value(catalog->GetJob("b"));
  EXPECT_THAT(AppendAll(*catalog, b, {FileEvent("/z", 9, 3)}), IsOk());
  JobRecord d = MakeJob("d");
  ASSERT_THAT(catalog->CreateJob(d), IsOk());
  EXPECT_THAT(AppendAll(*catalog, d, {FileEvent("/z", 9, 3)}), IsOk());
  EXPECT_THAT(ReadAllEvents(*catalog, "a", 10), SizeIs(2));
  EXPECT_THAT(ReadAllEvents(*catalog, "b", 10), SizeIs(2));
  EXPECT_THAT(ReadAllEvents(*catalog, "d", 10), SizeIs(1));
}

// Opens the catalog in a child, which the n-th call that changes a file kills. Returns whether it
// was killed.
bool OpenAndBeKilled(FaultyVfs& disk, const std::string& directory, std::uint64_t nth) {
  const pid_t child = ::fork();
  if (child == 0) {
    disk.Arm({.result = FaultyVfs::kKill, .nth = nth});
    {
      const auto catalog = OpenSqliteCatalog(directory);
    }
    std::_Exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  return WEXITSTATUS(status) == FaultyVfs::kKilledStatus;
}

TEST(Migration, KilledAtAnyCallItIsDoneByTheNextOpening) {
  FaultyVfs disk;
  std::uint64_t nth = 0;
  for (bool killed = true; killed && !testing::Test::HasFailure();) {
    SCOPED_TRACE(++nth);
    const TempDirectory directory;
    MakeVersion1(directory);
    killed = OpenAndBeKilled(disk, directory.path(), nth);
    ExpectEverythingIsThere(*Value(OpenSqliteCatalog(directory.path())));
  }
  EXPECT_GT(nth, 10) << "a migration should meet the disk more often";
}

}  // namespace
}  // namespace sluice
