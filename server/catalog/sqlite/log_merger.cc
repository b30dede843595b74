#include "server/catalog/sqlite/log_merger.h"

#include <utility>

#include <sqlite3.h>

namespace sluice {

LogMerger::LogMerger(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

LogMerger::~LogMerger() = default;

void LogMerger::Request() {
  {
    std::lock_guard lock(mutex_);
    is_requested_ = true;
  }
  requested_.notify_one();
}

bool LogMerger::TakeError() {
  std::lock_guard lock(mutex_);
  return std::exchange(has_failed_, false);
}

void LogMerger::Run(const std::stop_token& stop) {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      requested_.wait(lock, stop, [this] { return is_requested_; });
      if (stop.stop_requested()) return;
      is_requested_ = false;
    }
    Merge();
  }
}

void LogMerger::Merge() {
  std::lock_guard merging(merging_);
  const int result = sqlite3_wal_checkpoint_v2(connection_->database().getHandle(), "main",
                                               SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if ((result & 0xff) != SQLITE_IOERR) return;
  std::lock_guard lock(mutex_);
  has_failed_ = true;
}

}  // namespace sluice
