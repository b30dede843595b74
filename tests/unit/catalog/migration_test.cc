#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>
#include <vector>

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

// Rows of every kind that version 2 wrote: long paths, odd values, a job whose events are being
// purged, and many more than fit into a chunk.
constexpr char kRowsOfVersion2[] = R"sql(
  INSERT INTO job VALUES (1, 'a', 'scan', NULL, x'', 80, 2000, 1, x'01', x'');
  INSERT INTO job VALUES (2, 'b', 'scan', NULL, x'', 90, 3, 4, x'01', x'');
  INSERT INTO job VALUES (3, 'c', 'scan', NULL, x'', 0, 3, 1, x'01', x'');
  INSERT INTO garbage VALUES ((2 << 36) | 2, (2 << 36) | 3);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO file SELECT (1 << 36) | i, i, 0, i / 2, 4096, -i, i, 7, i, 1, 420, 0, 0,
      iif(i % 2, zeroblob(33), NULL), CAST('/path/' || i AS BLOB) FROM n WHERE i % 3 <> 0;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO event SELECT (1 << 36) | i, i, i % 5, zeroblob(i) FROM n WHERE i % 3 = 0;
  INSERT INTO event VALUES ((2 << 36) | 2, 1, 1, x'01'), ((2 << 36) | 3, 1, 1, x'02');
  INSERT INTO file VALUES ((3 << 36) | 1, 1, 6, -1, -1, 1, 2, -1, -1, 4294967295, 4095, 1, 2,
                           x'0200000000000000000000000000000000', zeroblob(12000));
  INSERT INTO event VALUES ((3 << 36) | 2, -5, 4294967295, zeroblob(100000)),
                           ((3 << 36) | 3, 1, 1, x'');
)sql";

// The row of an event as it was, and the event as it is.
std::string TextOf(Query& row) {
  const bool is_file = row.IsNull(2);
  return absl::StrCat(row.Integer(1), " ", is_file ? -1 : row.Integer(2), " ", row.Unsigned(4), " ",
                      row.Integer(5), " ", row.Integer(6), " ", row.Unsigned(7), " ", row.Text(3));
}

std::string TextOf(const EventRecord& event) {
  if (const auto* payload = std::get_if<EventPayload>(&event.event)) {
    return absl::StrCat(event.time_ns, " ", payload->kind, " 0 0 0 0 ", payload->payload);
  }
  const auto& [path, stat, digest] = std::get<FileEntry>(event.event);
  return absl::StrCat(event.time_ns, " -1 ", stat.size, " ", stat.modify_time_ns, " ",
                      digest ? static_cast<int>(digest->algorithm) : -1, " ", stat.inode, " ",
                      path);
}

std::vector<std::string> TextsOf(Connection& connection, std::int64_t job) {
  Query rows(connection.Prepare(
      "SELECT key, time_ns, NULL AS kind, path, size, mtime,"
      "       ifnull(iif(substr(digest, 1, 1) = x'02', 2, 0 * length(digest)), -1), inode"
      " FROM file WHERE key >> 36 = ?1 UNION ALL"
      " SELECT key, time_ns, kind, payload, 0, 0, 0, 0 FROM event WHERE key >> 36 = ?1"
      " ORDER BY key"));
  rows.Bind(job);
  std::vector<std::string> texts;
  while (rows.Next()) texts.push_back(TextOf(rows));
  return texts;
}

std::vector<std::string> TextsOf(Catalog& catalog, const std::string& job) {
  std::vector<std::string> texts;
  for (const EventRecord& event : ReadAllEvents(catalog, job, 300)) texts.push_back(TextOf(event));
  return texts;
}

TEST(Migration, FromVersion2EveryRowIsAnEventOfAChunkAndGarbageIsLeftBehind) {
  const TempDirectory directory;
  std::vector<std::string> a;
  std::vector<std::string> c;
  {
    Connection connection(directory.File("catalog.sqlite"), Connection::Access::kCreate, 1024);
    connection.Execute(absl::StrCat("PRAGMA application_id = ", kApplicationId));
    Migrate(connection, Migrations().first(2));
    connection.Execute("PRAGMA journal_mode = WAL");
    connection.Execute(kRowsOfVersion2);
    a = TextsOf(connection, 1);
    c = TextsOf(connection, 3);
  }
  const auto catalog = Value(OpenSqliteCatalog(directory.path()));
  EXPECT_THAT(a, SizeIs(2000));
  EXPECT_EQ(TextsOf(*catalog, "a"), a);
  EXPECT_EQ(TextsOf(*catalog, "c"), c);
  EXPECT_THAT(TextsOf(*catalog, "b"), SizeIs(0));
  EXPECT_FALSE(Value(catalog->Purge(1)));
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
