#include "server/catalog/sqlite/schema.h"

#include <array>

#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Transaction.h>

namespace sluice {
namespace {

// Keys of file and event: see sqlite/rows.h. There is no other index on them: a scan appends, and
// whoever needs another order (see sqlite/candidates.h) sorts what he needs.
constexpr std::array kMigrations = {
    Migration{.version = 1, .script = R"sql(
      CREATE TABLE job (
        number        INTEGER PRIMARY KEY,
        id            TEXT NOT NULL UNIQUE,
        kind          TEXT NOT NULL,
        ended         INTEGER NOT NULL,
        request_id    TEXT UNIQUE,
        request_hash  BLOB NOT NULL,
        last_sequence INTEGER NOT NULL,
        record        BLOB NOT NULL
      ) STRICT;
      CREATE INDEX job_by_kind ON job (kind, id);
      CREATE INDEX job_unended ON job (id) WHERE ended = 0;

      CREATE TABLE file (
        key       INTEGER PRIMARY KEY,
        time_ns   INTEGER NOT NULL,
        type      INTEGER NOT NULL,
        size      INTEGER NOT NULL,
        allocated INTEGER NOT NULL,
        mtime     INTEGER NOT NULL,
        ctime     INTEGER NOT NULL,
        device    INTEGER NOT NULL,
        inode     INTEGER NOT NULL,
        links     INTEGER NOT NULL,
        mode      INTEGER NOT NULL,
        uid       INTEGER NOT NULL,
        gid       INTEGER NOT NULL,
        digest    BLOB,
        path      BLOB NOT NULL
      ) STRICT;

      CREATE TABLE event (
        key     INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        kind    INTEGER NOT NULL,
        payload BLOB NOT NULL
      ) STRICT;
    )sql"},
};

// What every version has.
constexpr char kCountTables[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('job', 'file', 'event')";
constexpr std::int64_t kTableCount = 3;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the catalog is damaged: ", what));
}

}  // namespace

std::span<const Migration> Migrations() { return kMigrations; }

absl::Status CheckVersion(Connection& connection, std::span<const Migration> migrations) {
  const std::int64_t version = connection.ReadInteger("PRAGMA user_version");
  const std::int64_t newest = migrations.back().version;
  if (version <= newest) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the catalog is of schema version ", version,
                   ", written by a newer program; this one knows versions up to ", newest));
}

void Migrate(Connection& connection, std::span<const Migration> migrations) {
  for (const Migration& step : migrations) {
    if (step.version <= connection.ReadInteger("PRAGMA user_version")) continue;
    SQLite::Transaction transaction(connection.database(), SQLite::TransactionBehavior::IMMEDIATE);
    connection.Execute(step.script);
    connection.Execute(absl::StrCat("PRAGMA user_version = ", step.version));
    transaction.commit();
  }
}

absl::Status CheckStructure(Connection& connection) {
  if (connection.ReadInteger(kCountTables) != kTableCount) return Damaged("a table is missing");
  const std::int64_t bytes =
      connection.ReadInteger("PRAGMA page_count") * connection.ReadInteger("PRAGMA page_size");
  if (bytes > kFullCheckBytes) return absl::OkStatus();
  Query check(connection.Prepare("PRAGMA quick_check(1)"));
  if (check.Next() && check.Text(0) == "ok") return absl::OkStatus();
  return Damaged(check.Text(0));
}

}  // namespace sluice
