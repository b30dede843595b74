#include "server/catalog/sqlite/schema.h"

#include <array>
#include <limits>

#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Transaction.h>

#include "server/catalog/sqlite/chunk_migration.h"

namespace sluice {
namespace {

// Keys of chunks: see sqlite/rows.h. There is no other index on them: a scan appends, and whoever
// needs another order (see sqlite/candidates.h) sorts what he needs.
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
    // A job's row is written with every batch of its events: what is big and never changes (the
    // spec) has a table of its own, without a row where the spec is empty. AUTOINCREMENT: a job's
    // number is part of the keys of its events, which may outlive it (see sqlite/garbage.h).
    //
    // Of version 1's jobs the end is the time of their last event; their spec is inside of the
    // record, where only those can find it who know what a record is.
    Migration{.version = 2, .script = R"sql(
      CREATE TABLE job_2 (
        number          INTEGER PRIMARY KEY AUTOINCREMENT,
        id              TEXT NOT NULL UNIQUE,
        kind            TEXT NOT NULL,
        request_id      TEXT UNIQUE,
        request_hash    BLOB NOT NULL,
        end_time        INTEGER NOT NULL,
        last_sequence   INTEGER NOT NULL,
        oldest_sequence INTEGER NOT NULL,
        record          BLOB NOT NULL,
        checkpoint      BLOB NOT NULL
      ) STRICT;
      INSERT INTO job_2
        SELECT number, id, kind, request_id, request_hash,
               iif(ended = 0, 0, coalesce(
                 (SELECT time_ns FROM event WHERE key = number << 36 | last_sequence),
                 (SELECT time_ns FROM file WHERE key = number << 36 | last_sequence),
                 1)),
               last_sequence, 1, record, x''
        FROM job;
      DROP TABLE job;
      ALTER TABLE job_2 RENAME TO job;
      CREATE INDEX job_by_kind ON job (kind, id);
      CREATE INDEX job_unended ON job (id) WHERE end_time = 0;
      CREATE INDEX job_expirable ON job (end_time)
        WHERE end_time <> 0 AND last_sequence >= oldest_sequence;
      CREATE INDEX job_expired ON job (end_time)
        WHERE end_time <> 0 AND last_sequence < oldest_sequence;

      CREATE TABLE job_spec (
        number INTEGER PRIMARY KEY,
        spec   BLOB NOT NULL
      ) STRICT;

      CREATE TABLE garbage (
        first_key INTEGER PRIMARY KEY,
        last_key  INTEGER NOT NULL
      ) STRICT;
    )sql"},
    // Events in chunks instead of a row each (see sqlite/event_chunk.h), and contents. The body,
    // which alone is long, comes last: what stands behind it would have to be looked for on
    // overflow pages.
    Migration{.version = 3,
              .script = R"sql(
      CREATE TABLE event_chunk (
        key      INTEGER PRIMARY KEY,
        count    INTEGER NOT NULL,
        kinds    INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        body     BLOB NOT NULL
      ) STRICT;

      CREATE TABLE content_chunk (
        key      INTEGER PRIMARY KEY,
        count    INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        body     BLOB NOT NULL
      ) STRICT;

      CREATE TABLE content_garbage (
        job INTEGER PRIMARY KEY
      ) STRICT;
    )sql",
              .then = &MoveEventsIntoChunks},
    // What is known of a prefix or an end is of kContentEndBytes, which were four times as many.
    // It is found out again: nothing but time is lost.
    Migration{.version = 4, .script = "DELETE FROM content_chunk"},
};

struct Table {
  const char* name;
  std::int64_t since_version;
  std::int64_t until_version = std::numeric_limits<std::int64_t>::max();
};
constexpr std::array kTables = {Table{"job", 1},           Table{"file", 1, 2},
                                Table{"event", 1, 2},      Table{"job_spec", 2},
                                Table{"garbage", 2},       Table{"event_chunk", 3},
                                Table{"content_chunk", 3}, Table{"content_garbage", 3}};

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
    if (step.then != nullptr) step.then(connection);
    connection.Execute(absl::StrCat("PRAGMA user_version = ", step.version));
    transaction.commit();
  }
}

absl::Status CheckStructure(Connection& connection) {
  const std::int64_t version = connection.ReadInteger("PRAGMA user_version");
  for (const Table& table : kTables) {
    const bool expected = version >= table.since_version && version <= table.until_version;
    if (expected && !connection.database().tableExists(table.name)) {
      return Damaged(absl::StrCat("table ", table.name, " is missing"));
    }
  }
  const std::int64_t bytes =
      connection.ReadInteger("PRAGMA page_count") * connection.ReadInteger("PRAGMA page_size");
  if (bytes > kFullCheckBytes) return absl::OkStatus();
  Query check(connection.Prepare("PRAGMA quick_check(1)"));
  if (check.Next() && check.Text(0) == "ok") return absl::OkStatus();
  return Damaged(check.Text(0));
}

}  // namespace sluice
