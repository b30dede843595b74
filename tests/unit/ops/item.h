#ifndef SLUICE_TESTS_UNIT_OPS_ITEM_H_
#define SLUICE_TESTS_UNIT_OPS_ITEM_H_

#include <atomic>
#include <limits>
#include <utility>

#include "gtest/gtest.h"

namespace sluice {

// What flows through the pipelines that are put to the proof: a number. Counts how many of its kind
// are alive, and fails the test when it is read after it was moved from, moved bit by bit, or
// destroyed twice.
class Item final {
 public:
  explicit Item(int value) noexcept : value_(value) { ++alive; }
  Item(const Item& other) noexcept : value_(other.value_) { ++alive; }
  Item(Item&& other) noexcept : value_(std::exchange(other.value_, kMovedFrom)) { ++alive; }
  Item& operator=(const Item& other) noexcept {
    if (this != &other) value_ = other.value_;
    return *this;
  }
  Item& operator=(Item&& other) noexcept {
    if (this != &other) value_ = std::exchange(other.value_, kMovedFrom);
    return *this;
  }
  ~Item() {
    EXPECT_EQ(self_, this) << "an item was destroyed twice, or moved without its constructor";
    self_ = nullptr;
    --alive;
  }

  int value() const {
    EXPECT_NE(value_, kMovedFrom) << "an item was read after it was moved from";
    return value_;
  }

  static int AliveCount() { return alive; }

 private:
  static constexpr int kMovedFrom = std::numeric_limits<int>::min();

  static inline std::atomic<int> alive = 0;

  int value_;
  const Item* self_ = this;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_ITEM_H_
