#ifndef SLUICE_PIPELINE_OPS_DISTINCT_H_
#define SLUICE_PIPELINE_OPS_DISTINCT_H_

#include <cassert>
#include <cstddef>
#include <functional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

namespace internal {

// The last `max_keys` keys that were added. Each is held once, in a ring; the set knows the keys by
// their places in it. Pinned, since the set looks into the ring.
template <typename Key>
class KeyWindow final {
 public:
  explicit KeyWindow(std::size_t max_keys) : max_keys_(max_keys) {}
  KeyWindow(const KeyWindow&) = delete;
  KeyWindow& operator=(const KeyWindow&) = delete;

  // Returns whether the key was added: whether it is none of the last ones.
  template <typename K>
  bool AddIfNew(K&& key) {
    if (places_.contains(key)) return false;
    if (ring_.size() < max_keys_) {
      ring_.push_back(std::forward<K>(key));
      places_.insert(Place{ring_.size() - 1});
      return true;
    }
    places_.erase(Place{oldest_});
    ring_[oldest_] = std::forward<K>(key);
    places_.insert(Place{oldest_});
    oldest_ = (oldest_ + 1) % max_keys_;
    return true;
  }

 private:
  struct Place {
    std::size_t index;
  };

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return absl::Hash<Key>()(key); }
    std::size_t operator()(Place place) const { return (*this)((*ring)[place.index]); }
    const std::vector<Key>* ring;
  };

  // The keys in the ring differ, so that two places are equal only if they are the same.
  struct Equal {
    using is_transparent = void;
    bool operator()(Place a, Place b) const { return a.index == b.index; }
    bool operator()(Place place, const Key& key) const { return (*ring)[place.index] == key; }
    const std::vector<Key>* ring;
  };

  const std::size_t max_keys_;
  std::vector<Key> ring_;
  std::size_t oldest_ = 0;  // The next to give way once the ring is full.
  absl::flat_hash_set<Place, Hash, Equal> places_{0, Hash{&ring_}, Equal{&ring_}};
};

template <typename T, typename KeyOf>
AsyncGenerator<T> DistinctImpl(AsyncGenerator<T> source, std::size_t max_keys, KeyOf key_of) {
  using Key = std::remove_cvref_t<std::invoke_result_t<KeyOf&, const T&>>;
  static_assert(!std::ranges::borrowed_range<Key>,
                "a key outlives its item: return a std::string, not a std::string_view");
  KeyWindow<Key> seen(max_keys);
  while (auto item = co_await source.Next()) {
    if (seen.AddIfNew(std::invoke(key_of, std::as_const(*item)))) co_yield *std::move(item);
  }
}

}  // namespace internal

// Yields an item unless its key is among the keys of the last `max_keys` items that were yielded:
// for repetitions that come near each other, in bounded memory. A sequence of no more than
// `max_keys` different keys comes out without any repetition.
//
//   auto inodes = Walk() | Distinct(1 << 20, &Entry::inode);
//
// `key_of(const T&)` gives the key, which is hashed by absl::Hash and copied when it is new; by
// default the item itself. It owns what it shows, as it outlives its item.
//
// Lazy. Bound: pulled - (yielded + dropped) <= 1; memory for `max_keys` keys, as they come.
// Order: the source's. Errors: those of the source, and what `key_of` throws, end the sequence.
// Cancellation: the source's. Dropping: frees the keys and drops the source.
// REQUIRES: max_keys >= 1.
template <typename KeyOf = std::identity>
auto Distinct(std::size_t max_keys, KeyOf key_of = {}) {
  assert(max_keys >= 1);
  return [max_keys, key_of = std::move(key_of)]<typename T>(AsyncGenerator<T> source) {
    return internal::DistinctImpl<T, KeyOf>(std::move(source), max_keys, key_of);
  };
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_OPS_DISTINCT_H_
