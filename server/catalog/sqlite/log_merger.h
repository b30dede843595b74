#ifndef SLUICE_SERVER_CATALOG_SQLITE_LOG_MERGER_H_
#define SLUICE_SERVER_CATALOG_SQLITE_LOG_MERGER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "absl/base/thread_annotations.h"

#include "server/catalog/sqlite/connection.h"

namespace sluice {

// Merges SQLite's log into the database on a thread and a connection of its own, beside whoever
// writes and reads: a merge syncs both files, and a writer that did it would wait for the disk with
// all who wait for it (0.3 s of the 4 s of a dedupe of 300,000 files, on an SSD).
//
// Thread-safe. Errors: a merge that fails leaves the log as it was; see TakeError.
class LogMerger final {
 public:
  explicit LogMerger(std::unique_ptr<Connection> connection);
  LogMerger(const LogMerger&) = delete;
  LogMerger& operator=(const LogMerger&) = delete;
  // Waits for a merge that has begun.
  ~LogMerger();

  // Has what is in the log merged soon, as far as no reader needs it there. Does not wait.
  void Request();

  // Waits for a merge that has begun, and lets none begin as long as the lock lives.
  [[nodiscard]] std::unique_lock<std::mutex> Hold() { return std::unique_lock(merging_); }

  // Whether a merge has met an I/O error since the last call.
  bool TakeError();

 private:
  void Run(const std::stop_token& stop);
  void Merge();

  std::mutex merging_;  // Taken before mutex_, if both are.
  const std::unique_ptr<Connection> connection_ ABSL_PT_GUARDED_BY(merging_);

  std::mutex mutex_;
  std::condition_variable_any requested_;
  bool is_requested_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_failed_ ABSL_GUARDED_BY(mutex_) = false;

  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_LOG_MERGER_H_
