#include "server/catalog/sqlite/writer.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Transaction.h>

#include "server/catalog/sqlite/status.h"

namespace sluice {
namespace {

// The log is merged into the database when it has so many pages of 4 KiB ...
constexpr int kMergeLogPages = 4096;
// ... and if readers have kept it from starting over for so long, the writer waits for them.
constexpr int kMaxLogPages = 4 * kMergeLogPages;
constexpr int kLogBytesKept = kMergeLogPages * 4096;

bool IsOfTheDisk(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace

Writer::Writer(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {
  connection_->Execute(absl::StrCat("PRAGMA journal_size_limit = ", kLogBytesKept));
  sqlite3_wal_hook(connection_->database().getHandle(), &Writer::MergeLog, this);
}

absl::Status Writer::Write(Durability durability, absl::FunctionRef<absl::Status(Connection&)> fn) {
  std::lock_guard turn(turn_);
  if (log_is_suspect_) {
    if (absl::Status emptied = EmptyLog(); !emptied.ok()) return emptied;
  }
  absl::Status status = CatchSqlite([&] {
    try {
      return Transact(durability, fn);
    } catch (const SQLite::Exception& error) {
      if (error.getErrorCode() == SQLITE_IOERR) log_is_suspect_ = true;
      throw;
    }
  });
  if (IsOfTheDisk(status)) EmptyLog().IgnoreError();
  return status;
}

absl::Status Writer::Transact(Durability durability,
                              absl::FunctionRef<absl::Status(Connection&)> fn) {
  connection_->Execute(durability == Durability::kPowerCut ? "PRAGMA synchronous = FULL"
                                                           : "PRAGMA synchronous = NORMAL");
  SQLite::Transaction transaction(connection_->database(), SQLite::TransactionBehavior::IMMEDIATE);
  absl::Status status = fn(*connection_);
  if (status.ok()) transaction.commit();
  return status;
}

absl::Status Writer::EmptyLog() {
  sqlite3* const database = connection_->database().getHandle();
  const int result =
      sqlite3_wal_checkpoint_v2(database, "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (result != SQLITE_OK) return SqliteStatus(SQLite::Exception(database, result));
  log_is_suspect_ = false;
  return absl::OkStatus();
}

// Called after each commit, by the thread whose turn it is. What was committed stays so: a merge
// that fails is tried again after the next one, and an error that lasts will meet the next write.
int Writer::MergeLog(void* writer, sqlite3* database, const char* schema, int log_pages) {
  if (log_pages < kMergeLogPages) return SQLITE_OK;
  const int mode =
      log_pages >= kMaxLogPages ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
  const int result = sqlite3_wal_checkpoint_v2(database, schema, mode, nullptr, nullptr);
  if ((result & 0xff) == SQLITE_IOERR) static_cast<Writer*>(writer)->log_is_suspect_ = true;
  return SQLITE_OK;
}

}  // namespace sluice
