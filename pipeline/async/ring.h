#ifndef SLUICE_PIPELINE_ASYNC_RING_H_
#define SLUICE_PIPELINE_ASYNC_RING_H_

#include <cassert>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace sluice::internal {

// A first-in-first-out queue in memory that is allocated once. Not thread-safe.
template <typename T>
class Ring final {
 public:
  explicit Ring(std::size_t capacity)
      : places_(std::make_unique<std::optional<T>[]>(capacity)), capacity_(capacity) {}

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == capacity_; }

  // REQUIRES: !full().
  void PushBack(T item) {
    assert(!full());
    const std::size_t to_end = capacity_ - first_;
    places_[size_ < to_end ? first_ + size_ : size_ - to_end].emplace(std::move(item));
    ++size_;
  }

  // REQUIRES: !empty().
  T PopFront() {
    assert(!empty());
    std::optional<T> item = std::exchange(places_[first_], std::nullopt);
    if (++first_ == capacity_) first_ = 0;
    --size_;
    return *std::move(item);
  }

 private:
  std::unique_ptr<std::optional<T>[]> places_;
  std::size_t capacity_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace sluice::internal

#endif  // SLUICE_PIPELINE_ASYNC_RING_H_
