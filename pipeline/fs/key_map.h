#ifndef SLUICE_PIPELINE_FS_KEY_MAP_H_
#define SLUICE_PIPELINE_FS_KEY_MAP_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/fs/spool_file.h"

namespace sluice {

// 128 bits that are spread evenly: a keyed hash.
using MapKey = std::array<std::uint8_t, 16>;

namespace internal {

template <typename Value>
struct KeyRecord {
  MapKey key;
  [[no_unique_address]] Value value;
};

struct ByKey {
  template <typename Value>
  bool operator()(const KeyRecord<Value>& a, const KeyRecord<Value>& b) const {
    return a.key < b.key;
  }
  template <typename Value>
  bool operator()(const KeyRecord<Value>& a, const MapKey& b) const {
    return a.key < b;
  }
};

// Where the record of a key has to stand, if it is there at all.
class KeyRange final {
 public:
  KeyRange(std::uint64_t size, std::uint64_t block) : end_(size), block_(block) {}

  bool empty() const { return first_ == end_; }
  // The first of the (at most `block`) records to look at next.
  std::uint64_t Guess(const MapKey& key);
  std::uint64_t CountFrom(std::uint64_t first) const { return std::min(block_, end_ - first); }
  // The key comes before the record at `first`, whose key is `found`; after the last one looked at.
  void EndAt(std::uint64_t first, const MapKey& found);
  void BeginAt(std::uint64_t first, const MapKey& last_seen);

 private:
  std::uint64_t first_ = 0;
  std::uint64_t end_;
  std::uint64_t block_;
  double low_ = 0;  // The keys at the two ends, as numbers.
  double high_ = 0x1p64;
  int steps_ = 0;
};

}  // namespace internal

template <typename Value>
struct SpoolCodec<internal::KeyRecord<Value>> {
  using Record = internal::KeyRecord<Value>;
  static void Encode(const Record& record, std::string* out) { AppendValue(record, out); }
  static Record Decode(std::string_view* in) { return TakeValue<Record>(in); }
  static std::size_t SizeInMemory(const Record& record) { return sizeof record; }
};

// Any number of keys, each with a value, in constant memory
// =========================================================
//
// Up to kMaxInMemory keys are a sorted vector; more are a sorted, unlinked temporary file in which
// a key is found by interpolation: as keys are spread evenly, where one must stand is known to
// within about the square root of their number, so that two or three reads of a block find it among
// billions. (Keys that are not are found as well, by halves.)
//
//   KeyMap<Digest>::Builder builder("/var/tmp");
//   builder.Add(key, digest);
//   const KeyMap<Digest> map = co_await builder.Finish(executor);
//   if (std::optional<Digest> digest = map.Find(key)) ...
//
// Value: trivially copyable. Move-only, immutable. Thread-safe. Blocks on the disk (mostly: on its
// cache). Errors: StatusError RESOURCE_EXHAUSTED (no space, no descriptors), UNAVAILABLE (I/O).
template <typename Value>
class KeyMap final {
  using Record = internal::KeyRecord<Value>;

 public:
  static constexpr std::size_t kMaxInMemory = 1024 * 1024 / sizeof(Record);
  static constexpr std::size_t kBlockKeys = 4096 / sizeof(Record);

  class Builder;

  // The empty map.
  KeyMap() = default;

  std::optional<Value> Find(const MapKey& key) const {
    if (file_) return FindInFile(key);
    return FindIn(memory_.data(), memory_.data() + memory_.size(), key);
  }
  std::uint64_t size() const { return size_; }

 private:
  static std::optional<Value> FindIn(const Record* begin, const Record* end, const MapKey& key) {
    const Record* found = std::lower_bound(begin, end, key, internal::ByKey());
    if (found == end || found->key != key) return std::nullopt;
    return found->value;
  }

  std::optional<Value> FindInFile(const MapKey& key) const {
    internal::KeyRange range(size_, kBlockKeys);
    std::array<Record, kBlockKeys> block;
    while (!range.empty()) {
      const std::uint64_t first = range.Guess(key);
      const std::size_t count = range.CountFrom(first);
      ReadRecords(first, count, block.data());
      if (key < block.front().key) {
        range.EndAt(first, block.front().key);
      } else if (block[count - 1].key < key) {
        range.BeginAt(first + count, block[count - 1].key);
      } else {
        return FindIn(block.data(), block.data() + count, key);
      }
    }
    return std::nullopt;
  }

  void ReadRecords(std::uint64_t first, std::size_t count, Record* to) const {
    const std::size_t bytes = count * sizeof(Record);
    if (file_->ReadAt(first * sizeof(Record), reinterpret_cast<char*>(to), bytes) != bytes) {
      throw StatusError(absl::UnavailableError("temporary file: it has become shorter"));
    }
  }

  std::uint64_t size_ = 0;
  std::vector<Record> memory_;
  std::unique_ptr<const internal::SpoolFile> file_;  // Null when all keys are in memory.
};

// Takes keys in any order, as often as they come; of the values of one key it keeps any. Memory: a
// spool's. Not thread-safe. Cancellation: `stop` ends whatever takes long with Cancelled. Errors:
// as the map's.
template <typename Value>
class KeyMap<Value>::Builder final {
 public:
  explicit Builder(std::string directory, std::stop_token stop = {})
      : directory_(directory),
        stop_(stop),
        spool_({.directory = std::move(directory), .stop = std::move(stop)}) {}

  void Add(const MapKey& key, const Value& value) { spool_.Add({.key = key, .value = value}); }
  // Sorts what is due to be sorted; called now and then, it keeps Add from taking long. Like
  // Finish, it gives the thread back every few keys when somebody waits for it.
  Task<> Merge(Executor& executor) { return spool_.Merge(executor); }
  // REQUIRES: called once.
  Task<KeyMap> Finish(Executor& executor) {
    constexpr std::size_t kKeysPerTurn = 4096;
    co_await spool_.Finish(executor);
    KeyMap map;
    std::unique_ptr<internal::SpoolFile> file;
    if (spool_.size() > kMaxInMemory) file = std::make_unique<internal::SpoolFile>(directory_);
    auto cursor = spool_.Read();
    std::optional<MapKey> last;
    while (const Record* record = cursor.Next()) {
      if (last == record->key) continue;
      last = record->key;
      if (file) {
        file->Append({reinterpret_cast<const char*>(record), sizeof *record});
      } else {
        map.memory_.push_back(*record);
      }
      if (++map.size_ % kKeysPerTurn != 0) continue;
      ThrowIfStopRequested(stop_);
      co_await executor.YieldIfBusy();
    }
    if (file) file->Flush();
    map.file_ = std::move(file);
    co_return map;
  }

 private:
  const std::string directory_;
  const std::stop_token stop_;
  SortedSpool<Record, internal::ByKey> spool_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_KEY_MAP_H_
