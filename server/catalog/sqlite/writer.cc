#include "server/catalog/sqlite/writer.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Transaction.h>

#include "server/catalog/sqlite/status.h"

namespace sluice {
namespace {

constexpr int kPageBytes = 4096;
// A merge is asked for whenever the log has grown by so many pages ...
constexpr int kMergeLogPages = 4096;
// ... and if readers, or writes that went on, have kept it from starting over until it has so many,
// the writer waits for them, and merges what is left.
constexpr int kMaxLogPages = 4 * kMergeLogPages;
constexpr int kLogBytesKept = kMergeLogPages * kPageBytes;

bool IsOfTheDisk(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace

Writer::Writer(std::unique_ptr<Connection> connection, std::unique_ptr<Connection> merging)
    : connection_(std::move(connection)),
      merge_from_pages_(kMergeLogPages),
      merger_(std::move(merging)) {
  connection_->Execute(absl::StrCat("PRAGMA journal_size_limit = ", kLogBytesKept));
  sqlite3_wal_hook(connection_->database().getHandle(), &Writer::AfterCommit, this);
}

absl::Status Writer::Write(Durability durability, absl::FunctionRef<absl::Status(Connection&)> fn) {
  std::lock_guard turn(turn_);
  if (merger_.TakeError()) log_is_suspect_ = true;
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
  const auto no_merge = merger_.Hold();
  sqlite3* const database = connection_->database().getHandle();
  const int result =
      sqlite3_wal_checkpoint_v2(database, "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (result != SQLITE_OK) return SqliteStatus(SQLite::Exception(database, result));
  log_is_suspect_ = false;
  return absl::OkStatus();
}

// Called by the thread whose turn it is.
int Writer::AfterCommit(void* writer, sqlite3* /*database*/, const char* /*schema*/,
                        int log_pages) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static_cast<Writer*>(writer)->KeepLogShort(log_pages);
  return SQLITE_OK;
}

// What was committed stays so: a merge that fails is tried again later, and an error that lasts
// will meet the next write.
void Writer::KeepLogShort(int log_pages) {
  if (log_pages >= kMaxLogPages) {
    const auto no_merge = merger_.Hold();
    const int result = sqlite3_wal_checkpoint_v2(connection_->database().getHandle(), "main",
                                                 SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    if ((result & 0xff) == SQLITE_IOERR) log_is_suspect_ = true;
    return;
  }
  const bool has_started_over = log_pages < merge_from_pages_ - kMergeLogPages;
  if (has_started_over) merge_from_pages_ = kMergeLogPages;
  if (log_pages < merge_from_pages_) return;
  merge_from_pages_ = log_pages + kMergeLogPages;
  merger_.Request();
}

}  // namespace sluice
