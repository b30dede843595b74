#ifndef SLUICE_SERVER_CATALOG_SQLITE_WRITER_H_
#define SLUICE_SERVER_CATALOG_SQLITE_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include <sqlite3.h>

#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/fair_mutex.h"
#include "server/catalog/sqlite/log_merger.h"

namespace sluice {

// What a commit survives. The log is in the kernel's hands either way, so that a crash of the
// process takes nothing; a sync for every batch of events was measured to cost more than half of
// the rows a second. A commit that survives a power cut takes all before it along, so that a power
// cut takes the newest commits, never one from the middle.
enum class Durability : std::uint8_t { kProcessCrash, kPowerCut };

// The connection that writes: one transaction at a time, in the order in which they were asked for;
// and the upkeep of the log, for which it has a merger.
//
// After an error of the disk
// ==========================
//
// A commit that has failed can be in the log, whole: its sync failed, or what comes after it. This
// process does not see it, but a process that recovers the log would. And a sync that failed says
// nothing of which pages are on the disk, and says it once: the kernel has marked them clean, and
// the next sync succeeds without having written them, though earlier commits are among them.
//
// Both are cured by emptying the log: SQLite writes what was committed into the database, syncs
// that, and cuts the log. It is tried as soon as a write has failed; and after an I/O error (which
// may have been a sync's, also one of a merge) no write begins before it has succeeded. A write
// that a failing merge runs beside is told by its own sync: Linux tells each descriptor once. If
// the process dies in between, the call that failed is found done or not done, whole either way. A
// full disk only lets it be tried: the log need not be sound for a deletion to work.
//
// Not cured is a sync that failed for pages which a merge has written beside writers: SQLite counts
// those as merged before they are synced, and does not write them again. Only a process that
// recovers the log, before it was cut, would.
//
// Thread-safe. Errors: those of the catalog; none of SQLite's exceptions leave it.
class Writer final {
 public:
  // Two connections to one database; `merging` is used for merges only.
  Writer(std::unique_ptr<Connection> connection, std::unique_ptr<Connection> merging);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Runs `fn` in a transaction, which is committed when it returns OK.
  absl::Status Write(Durability durability, absl::FunctionRef<absl::Status(Connection&)> fn);

 private:
  static int AfterCommit(void* writer, sqlite3* database, const char* schema, int log_pages);

  absl::Status Transact(Durability durability, absl::FunctionRef<absl::Status(Connection&)> fn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  absl::Status EmptyLog() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void KeepLogShort(int log_pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  FairMutex turn_;
  const std::unique_ptr<Connection> connection_ ABSL_PT_GUARDED_BY(turn_);
  bool log_is_suspect_ ABSL_GUARDED_BY(turn_) = false;
  int merge_from_pages_ ABSL_GUARDED_BY(turn_);  // The log's size at which to ask for a merge.
  LogMerger merger_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_WRITER_H_
