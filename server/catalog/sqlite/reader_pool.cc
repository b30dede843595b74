#include "server/catalog/sqlite/reader_pool.h"

#include <cassert>
#include <utility>

namespace sluice {

ReaderPool::ReaderPool(const std::string& file, std::size_t size, int cache_kib) : size_(size) {
  assert(size >= 1);
  free_.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    free_.push_back(std::make_unique<Connection>(file, Connection::Access::kRead, cache_kib));
  }
}

ReaderPool::~ReaderPool() {
  assert(free_.size() == size_ && "ReaderPool destroyed while a connection is lent");
}

std::unique_ptr<Connection> ReaderPool::Take() {
  std::unique_lock lock(mutex_);
  returned_.wait(lock, [this] { return !free_.empty(); });
  std::unique_ptr<Connection> connection = std::move(free_.back());
  free_.pop_back();
  return connection;
}

void ReaderPool::Return(std::unique_ptr<Connection> connection) {
  {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(connection));  // Has capacity.
  }
  returned_.notify_one();
}

}  // namespace sluice
