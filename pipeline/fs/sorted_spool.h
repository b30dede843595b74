#ifndef SLUICE_PIPELINE_FS_SORTED_SPOOL_H_
#define SLUICE_PIPELINE_FS_SORTED_SPOOL_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

// How a type is kept in a spool. Spools are read by the process that wrote them only, so values
// stand as they are in memory; see AppendValue and TakeValue below.
//
//   static void Encode(const T& item, std::string* out);   // Appends.
//   static T Decode(std::string_view* in);                 // Takes what Encode appended.
//   static std::size_t SizeInMemory(const T& item);        // Bytes, with what it owns.
template <typename T>
struct SpoolCodec;

template <typename V>
void AppendValue(const V& value, std::string* out) {
  static_assert(std::is_trivially_copyable_v<V>);
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename V>
V TakeValue(std::string_view* in) {
  static_assert(std::is_trivially_copyable_v<V> && std::is_default_constructible_v<V>);
  assert(in->size() >= sizeof(V));
  V value;
  std::memcpy(&value, in->data(), sizeof value);
  in->remove_prefix(sizeof value);
  return value;
}

void AppendBytes(std::string_view bytes, std::string* out);
std::string TakeBytes(std::string_view* in);

template <>
struct SpoolCodec<FileEntry> {
  static void Encode(const FileEntry& entry, std::string* out);
  static FileEntry Decode(std::string_view* in);
  static std::size_t SizeInMemory(const FileEntry& entry) {
    return sizeof entry + entry.path.capacity();
  }
};

namespace internal {

// Records in an unlinked temporary file: written in order once, then read from any offset.
// Errors: StatusError RESOURCE_EXHAUSTED (no space, no descriptors), UNAVAILABLE (I/O).
// Reading is thread-safe once Flush has returned.
class SpoolFile final {
 public:
  static constexpr std::size_t kBufferBytes = 32 * 1024;

  explicit SpoolFile(const std::string& directory);

  void Append(std::string_view record);
  void Flush();

  // Bytes from `offset` on; fewer than asked for only at the end.
  std::size_t ReadAt(std::uint64_t offset, char* to, std::size_t size) const;

  std::uint64_t size() const { return written_ + buffer_.size(); }

 private:
  UniqueFd fd_;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

// A place in a SpoolFile. A copy goes on from the same place with a buffer of its own.
class SpoolReader final {
 public:
  explicit SpoolReader(const SpoolFile& file) : file_(&file) {}
  SpoolReader(const SpoolReader& other) : file_(other.file_), next_(other.next_) {}
  SpoolReader& operator=(const SpoolReader& other);
  SpoolReader(SpoolReader&&) noexcept = default;
  SpoolReader& operator=(SpoolReader&&) noexcept = default;
  ~SpoolReader() = default;

  // The next record, valid until the next call; nullopt at the end.
  std::optional<std::string_view> Next();

 private:
  // `size` bytes at next_, valid until the next call.
  std::string_view Peek(std::size_t size);

  const SpoolFile* file_;
  std::uint64_t next_ = 0;          // Offset of the next record.
  std::uint64_t buffer_start_ = 0;  // Offset of the first byte of buffer_.
  std::string buffer_;
};

}  // namespace internal

// Sorts any number of items in bounded memory
// ===========================================
//
// Items are added in any order and read in that of `Less`, as often as wanted; equal items come in
// no particular order. Up to `budget_bytes` nothing touches the disk. Beyond it,
// sorted runs go to unlinked temporary files in `directory`, which vanish with the process; runs of
// like size are merged kMergeRuns at a time, so that an item is written a logarithmic number of
// times.
//
//   SortedSpool<FileEntry, BySize> spool({.directory = "/var/tmp", .budget_bytes = 4 << 20});
//   spool.Add(entry);
//   spool.Finish();
//   auto cursor = spool.Read();
//   while (const FileEntry* next = cursor.Next()) ...
//
// A copy of a cursor is a place to come back to: it reads on from there, beside the original.
//
// Memory: about the budget, and kMergeRuns read buffers for each doubling of log16(items).
// Not thread-safe; once finished, cursors on different threads are independent of each other.
// Lifetime: outlives its cursors; what `Less` refers to outlives it.
// Blocks on the disk. Cancellation: `stop` ends merges with Cancelled. Errors: StatusError
// RESOURCE_EXHAUSTED (no space, no descriptors), UNAVAILABLE (I/O).
struct SpoolOptions {
  std::string directory;
  std::size_t budget_bytes = 4 * 1024 * 1024;
  std::stop_token stop = {};
};

template <typename T, typename Less = std::less<>>
class SortedSpool final {
 public:
  // Runs that are merged into one. So many of each size (budget x 16, x 256 ...) exist at most.
  static constexpr std::size_t kMergeRuns = 16;

  class Cursor;

  explicit SortedSpool(SpoolOptions options, Less less = {})
      : options_(std::move(options)), less_(std::move(less)) {}
  SortedSpool(const SortedSpool&) = delete;
  SortedSpool& operator=(const SortedSpool&) = delete;

  // REQUIRES: not finished.
  void Add(T item);

  // Makes the spool readable. REQUIRES: not finished.
  void Finish();

  // A cursor at the first item. REQUIRES: finished.
  Cursor Read() const {
    assert(finished_);
    return Cursor(*this);
  }

  std::uint64_t size() const { return size_; }

  // For tests: the most that items in memory came to, and whether a file was needed.
  std::size_t peak_memory_bytes() const { return peak_memory_bytes_; }
  bool spilled() const { return !runs_.empty(); }

 private:
  using Codec = SpoolCodec<T>;
  struct Run {
    std::unique_ptr<internal::SpoolFile> file;
    std::size_t level;  // 0 = out of memory, n + 1 = merged out of runs of level n.
  };
  // The next item of a run that is being merged.
  struct Head {
    T item;
    std::size_t run;
  };

  static constexpr std::size_t kItemsBetweenStopChecks = 256;

  void SortMemory() { std::sort(memory_.begin(), memory_.end(), less_); }
  void Spill();
  // Merges the runs from `first` on into one.
  void MergeFrom(std::size_t first);
  void AppendTo(internal::SpoolFile& file, const T& item);

  SpoolOptions options_;
  Less less_;
  std::vector<T> memory_;
  std::size_t memory_bytes_ = 0;
  std::size_t peak_memory_bytes_ = 0;
  std::vector<Run> runs_;  // Levels never rising.
  std::uint64_t size_ = 0;
  std::uint64_t appended_ = 0;
  bool finished_ = false;
  std::string record_;
};

// Reads the items of a finished spool in order.
template <typename T, typename Less>
class SortedSpool<T, Less>::Cursor final {
 public:
  // The next item, valid until the next call (or until the cursor is copied over or destroyed);
  // nullptr at the end.
  const T* Next() {
    if (!reader_) return next_ < spool_->memory_.size() ? &spool_->memory_[next_++] : nullptr;
    std::optional<std::string_view> record = reader_->Next();
    if (!record) return nullptr;
    return &item_.emplace(Codec::Decode(&*record));
  }

 private:
  friend class SortedSpool;
  explicit Cursor(const SortedSpool& spool) : spool_(&spool) {
    if (spool.spilled()) reader_.emplace(*spool.runs_.front().file);
  }

  const SortedSpool* spool_;
  std::size_t next_ = 0;
  std::optional<internal::SpoolReader> reader_;
  std::optional<T> item_;
};

template <typename T, typename Less>
void SortedSpool<T, Less>::Add(T item) {
  assert(!finished_);
  memory_bytes_ += Codec::SizeInMemory(item);
  peak_memory_bytes_ = std::max(peak_memory_bytes_, memory_bytes_);
  memory_.push_back(std::move(item));
  ++size_;
  if (memory_bytes_ > options_.budget_bytes) Spill();
}

template <typename T, typename Less>
void SortedSpool<T, Less>::Finish() {
  assert(!finished_);
  if (runs_.empty()) {
    SortMemory();
  } else {
    if (!memory_.empty()) Spill();
    if (runs_.size() > 1) MergeFrom(0);
    memory_.shrink_to_fit();
  }
  finished_ = true;
}

template <typename T, typename Less>
void SortedSpool<T, Less>::Spill() {
  SortMemory();
  auto file = std::make_unique<internal::SpoolFile>(options_.directory);
  for (const T& item : memory_) AppendTo(*file, item);
  file->Flush();
  runs_.push_back({.file = std::move(file), .level = 0});
  memory_.clear();
  memory_bytes_ = 0;
  while (runs_.size() >= kMergeRuns &&
         runs_[runs_.size() - kMergeRuns].level == runs_.back().level) {
    MergeFrom(runs_.size() - kMergeRuns);
  }
}

template <typename T, typename Less>
void SortedSpool<T, Less>::MergeFrom(std::size_t first) {
  std::vector<internal::SpoolReader> readers;
  std::vector<Head> heads;  // A heap, the least item at its front.
  const auto after = [this](const Head& a, const Head& b) { return less_(b.item, a.item); };
  const auto refill = [&](std::size_t run) {
    std::optional<std::string_view> record = readers[run].Next();
    if (!record) return;
    heads.push_back({.item = Codec::Decode(&*record), .run = run});
    std::push_heap(heads.begin(), heads.end(), after);
  };
  for (std::size_t i = first; i < runs_.size(); ++i) readers.emplace_back(*runs_[i].file);
  for (std::size_t run = 0; run < readers.size(); ++run) refill(run);

  auto merged = std::make_unique<internal::SpoolFile>(options_.directory);
  while (!heads.empty()) {
    std::pop_heap(heads.begin(), heads.end(), after);
    const Head head = std::move(heads.back());
    heads.pop_back();
    AppendTo(*merged, head.item);
    refill(head.run);
  }
  merged->Flush();
  const std::size_t level = runs_[first].level + 1;
  runs_.resize(first);
  runs_.push_back({.file = std::move(merged), .level = level});
}

template <typename T, typename Less>
void SortedSpool<T, Less>::AppendTo(internal::SpoolFile& file, const T& item) {
  if (appended_++ % kItemsBetweenStopChecks == 0) ThrowIfStopRequested(options_.stop);
  record_.clear();
  Codec::Encode(item, &record_);
  file.Append(record_);
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_SORTED_SPOOL_H_
