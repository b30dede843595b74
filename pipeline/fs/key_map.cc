#include "pipeline/fs/key_map.h"

namespace sluice::internal {

namespace {

// Interpolation finds an evenly spread key in two or three steps; after so many, halves are faster.
constexpr int kInterpolations = 6;

// A key as a number: the first of its bits, in the order of the keys.
double NumberOf(const MapKey& key) {
  double number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number * 256 + key[i];
  return number;
}

}  // namespace

std::uint64_t KeyRange::Guess(const MapKey& key) {
  const std::uint64_t size = end_ - first_;
  std::uint64_t guess = first_ + size / 2;
  if (steps_++ < kInterpolations && high_ > low_) {
    const double share = (NumberOf(key) - low_) / (high_ - low_);
    guess = first_ + static_cast<std::uint64_t>(share * static_cast<double>(size));
  }
  // The block around it, within the range.
  return std::clamp(guess - std::min(guess, block_ / 2), first_, end_ - std::min(size, block_));
}

void KeyRange::EndAt(std::uint64_t first, const MapKey& found) {
  end_ = first;
  high_ = NumberOf(found);
}

void KeyRange::BeginAt(std::uint64_t first, const MapKey& last_seen) {
  first_ = first;
  low_ = NumberOf(last_seen);
}

}  // namespace sluice::internal
