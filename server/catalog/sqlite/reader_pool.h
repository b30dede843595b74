#ifndef SLUICE_SERVER_CATALOG_SQLITE_READER_POOL_H_
#define SLUICE_SERVER_CATALOG_SQLITE_READER_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "server/catalog/sqlite/connection.h"

namespace sluice {

// A fixed number of connections that read. A lease waits until one is free; each call holds one for
// its own duration only, so that the wait is short and no call can wait for itself. Thread-safe.
class ReaderPool final {
 public:
  // REQUIRES: size >= 1. Errors: SQLite::Exception.
  ReaderPool(const std::string& file, std::size_t size, int cache_kib);
  ~ReaderPool();
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;

  // A borrowed connection. Lifetime: the pool outlives it.
  class Lease final {
   public:
    explicit Lease(ReaderPool& pool) : pool_(pool), connection_(pool.Take()) {}
    ~Lease() { pool_.Return(std::move(connection_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Connection& connection() { return *connection_; }

   private:
    ReaderPool& pool_;
    std::unique_ptr<Connection> connection_;
  };

 private:
  std::unique_ptr<Connection> Take();
  void Return(std::unique_ptr<Connection> connection);

  [[maybe_unused]] const std::size_t size_;  // For the assertion in the destructor.
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_READER_POOL_H_
