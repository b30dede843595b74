#ifndef SLUICE_PIPELINE_FS_SORTED_SPOOL_H_
#define SLUICE_PIPELINE_FS_SORTED_SPOOL_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/spool_file.h"

namespace sluice {

// How a type is kept in a spool. Spools are read by the process that wrote them only, so values
// stand as they are in memory; see AppendValue and TakeValue below.
//
//   static void Encode(const T& item, std::string* out);   // Appends.
//   static T Decode(std::string_view* in);                 // Takes what Encode appended.
//   static std::size_t SizeInMemory(const T& item);        // Bytes, with what it owns.
//
// Optional, for items that own memory: Decode, into that of an item which is not needed any more.
//
//   static void DecodeInto(std::string_view* in, T& item);
template <typename T>
struct SpoolCodec;

template <>
struct SpoolCodec<FileEntry> {
  static void Encode(const FileEntry& entry, std::string* out);
  static FileEntry Decode(std::string_view* in);
  static std::size_t SizeInMemory(const FileEntry& entry) {
    return sizeof entry + entry.path.capacity();
  }
};

// Sorts any number of items in bounded memory
// ===========================================
//
// Items are added in any order and read in that of `Less`, as often as wanted; equal items come in
// no particular order. Up to `budget_bytes` nothing touches the disk. Beyond it, sorted runs go to
// unlinked temporary files in `directory`, which vanish with the process; runs of like size are
// merged kMergeRuns at a time, so that an item is written a logarithmic number of times.
//
//   SortedSpool<FileEntry, BySize> spool({.directory = "/var/tmp", .budget_bytes = 4 << 20});
//   spool.Add(entry);
//   spool.Finish();
//   auto cursor = spool.Read();
//   while (const FileEntry* next = cursor.Next()) ...
//
// A copy of a cursor is a place to come back to: it reads on from there, beside the original. The
// same as a number, which can be kept by the million: place(), and Seek of any cursor.
//
// A merge takes as long as there are items. A coroutine that shares its thread with others lets
// them go on meanwhile:
//
//   spool.Add(entry);
//   if (spool.merge_due()) co_await spool.Merge(executor);
//   ...
//   co_await spool.Finish(executor);
//
// Memory: about the budget; while runs are merged, a read buffer for each instead: kMergeRuns of
// each size at most, and twice as many where another spool was absorbed. So many descriptors, too.
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
  // Runs that are merged into one. So many of each size (budget x 64, x 4096 ...) exist at most.
  // Their read buffers (2 MiB) are less than the usual budget, and 256 MiB are written twice only.
  static constexpr std::size_t kMergeRuns = 64;

  class Cursor;

  explicit SortedSpool(SpoolOptions options, Less less = {})
      : options_(std::move(options)), less_(std::move(less)) {}
  SortedSpool(const SortedSpool&) = delete;
  SortedSpool& operator=(const SortedSpool&) = delete;

  // An item that does not fit into memory any more does the merge that is due first, unless that
  // has been done. REQUIRES: not finished.
  void Add(T item);

  // Takes all items of another spool, which has the same order and holds none afterwards. Runs that
  // were due in neither are merged at the end. REQUIRES: neither is finished.
  void Absorb(SortedSpool& other);

  bool merge_due() const { return FirstRunDue() < runs_.size(); }
  // Does what is due, and gives the thread back every few items when somebody waits for it.
  Task<> Merge(Executor& executor);

  // Makes the spool readable. REQUIRES: not finished.
  void Finish();
  // The same, and calls visit(item, place) for each item in order, which costs less than to read
  // them all later. The spool is not finished yet then.
  template <typename Visit>
  void FinishAndVisit(Visit visit);
  // The same, and gives the thread back every few items when somebody waits for it.
  Task<> Finish(Executor& executor);

  // A cursor at the first item, which reads about `buffer_bytes` at a time. REQUIRES: finished.
  Cursor Read(std::size_t buffer_bytes = internal::SpoolFile::kBufferBytes) const {
    assert(finished_);
    return Cursor(*this, buffer_bytes);
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
  class Merger;
  struct VisitNothing {
    void operator()(const T& /*item*/, std::uint64_t /*place*/) const {}
  };

  static constexpr std::size_t kItemsPerStep = 256;

  // Says whether items in memory exceed the budget now.
  bool Keep(T item);
  // The first of the runs to merge into one next; runs_.size() when none is due.
  std::size_t FirstRunDue() const {
    const bool due =
        runs_.size() >= kMergeRuns && runs_[runs_.size() - kMergeRuns].level == runs_.back().level;
    return due ? runs_.size() - kMergeRuns : runs_.size();
  }
  void SortMemory() { std::sort(memory_.begin(), memory_.end(), less_); }
  static void DecodeInto(std::string_view record, std::optional<T>& item) {
    if constexpr (requires(T& old) { Codec::DecodeInto(&record, old); }) {
      if (!item) item.emplace();
      Codec::DecodeInto(&record, *item);
    } else {
      item = Codec::Decode(&record);
    }
  }
  // Merges the runs from `first` on into one, and calls visit(item, place) for each item.
  template <typename Visit>
  void MergeFrom(std::size_t first, Visit visit);
  void Spill();
  // What is in memory, where there are runs already; otherwise sorts it.
  void SpillRest();
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
    DecodeInto(*record, item_);
    return &*item_;
  }

  // Where the next item is: means something to cursors of the same spool only.
  std::uint64_t place() const { return reader_ ? reader_->offset() : next_; }
  void Seek(std::uint64_t place) {
    next_ = static_cast<std::size_t>(place);
    if (reader_) reader_->Seek(place);
  }
  // Whether what is at that place can be had without reading the disk.
  bool IsNear(std::uint64_t place) const { return !reader_ || reader_->IsBuffered(place); }

 private:
  friend class SortedSpool;
  Cursor(const SortedSpool& spool, std::size_t buffer_bytes) : spool_(&spool) {
    if (spool.spilled()) reader_.emplace(*spool.runs_.front().file, buffer_bytes);
  }

  const SortedSpool* spool_;
  std::size_t next_ = 0;
  std::optional<internal::SpoolReader> reader_;
  std::optional<T> item_;
};

// Merges the runs from `first` on into one, a step at a time. They are the spool's until Finish.
template <typename T, typename Less>
class SortedSpool<T, Less>::Merger final {
 public:
  Merger(SortedSpool& spool, std::size_t first)
      : spool_(spool),
        first_(first),
        merged_(std::make_unique<internal::SpoolFile>(spool.options_.directory)) {
    const std::size_t count = spool.runs_.size() - first;
    readers_.reserve(count);
    heads_.resize(count);
    for (std::size_t run = 0; run < count; ++run) {
      readers_.emplace_back(*spool.runs_[first + run].file);
      Refill(run);
    }
  }

  // False when all items are merged.
  bool Step() { return Step(VisitNothing()); }
  // Calls visit(item, place) for each.
  template <typename Visit>
  bool Step(const Visit& visit) {
    ThrowIfStopRequested(spool_.options_.stop);
    for (std::size_t i = 0; i < kItemsPerStep && !heap_.empty(); ++i) {
      std::pop_heap(heap_.begin(), heap_.end(), After{*this});
      const std::size_t run = heap_.back();
      heap_.pop_back();
      visit(std::as_const(*heads_[run].item), merged_->size());
      merged_->AppendRecord(heads_[run].record);
      Refill(run);
    }
    return !heap_.empty();
  }

  // Puts the one in the place of the many.
  void Finish() {
    merged_->Flush();
    const std::size_t level = spool_.runs_[first_].level + 1;
    spool_.runs_.resize(first_);
    spool_.runs_.push_back({.file = std::move(merged_), .level = level});
  }

 private:
  // The next item of a run, and the bytes it was decoded from, which its reader holds.
  struct Head {
    std::optional<T> item;
    std::string_view record;
  };
  // Makes a heap of runs that has the one with the least item at its front.
  struct After {
    const Merger& merger;
    bool operator()(std::size_t a, std::size_t b) const {
      return merger.spool_.less_(*merger.heads_[b].item, *merger.heads_[a].item);
    }
  };

  void Refill(std::size_t run) {
    std::optional<std::string_view> record = readers_[run].Next();
    if (!record) return;
    heads_[run].record = *record;
    DecodeInto(*record, heads_[run].item);
    heap_.push_back(run);
    std::push_heap(heap_.begin(), heap_.end(), After{*this});
  }

  SortedSpool& spool_;
  const std::size_t first_;
  std::vector<internal::SpoolReader> readers_;
  std::vector<Head> heads_;        // By run.
  std::vector<std::size_t> heap_;  // Of the runs that have not come to their end.
  std::unique_ptr<internal::SpoolFile> merged_;
};

template <typename T, typename Less>
bool SortedSpool<T, Less>::Keep(T item) {
  memory_bytes_ += Codec::SizeInMemory(item);
  peak_memory_bytes_ = std::max(peak_memory_bytes_, memory_bytes_);
  memory_.push_back(std::move(item));
  ++size_;
  return memory_bytes_ > options_.budget_bytes;
}

template <typename T, typename Less>
void SortedSpool<T, Less>::Add(T item) {
  assert(!finished_);
  if (!Keep(std::move(item))) return;
  while (merge_due()) MergeFrom(FirstRunDue(), VisitNothing());
  Spill();
}

template <typename T, typename Less>
void SortedSpool<T, Less>::Absorb(SortedSpool& other) {
  assert(!finished_ && !other.finished_);
  size_ += other.size_ - other.memory_.size();
  std::ranges::move(other.runs_, std::back_inserter(runs_));
  std::ranges::sort(runs_, std::ranges::greater(), &Run::level);
  for (T& item : other.memory_) {
    if (Keep(std::move(item))) Spill();
  }
  other.runs_.clear();
  other.memory_.clear();
  other.memory_bytes_ = 0;
  other.size_ = 0;
}

template <typename T, typename Less>
Task<> SortedSpool<T, Less>::Merge(Executor& executor) {
  while (merge_due()) {
    Merger merger(*this, FirstRunDue());
    while (merger.Step()) co_await executor.YieldIfBusy();
    merger.Finish();
  }
}

template <typename T, typename Less>
template <typename Visit>
void SortedSpool<T, Less>::MergeFrom(std::size_t first, Visit visit) {
  Merger merger(*this, first);
  while (merger.Step(visit)) continue;
  merger.Finish();
}

template <typename T, typename Less>
void SortedSpool<T, Less>::Finish() {
  assert(!finished_);
  SpillRest();
  if (runs_.size() > 1) MergeFrom(0, VisitNothing());
  finished_ = true;
}

template <typename T, typename Less>
template <typename Visit>
void SortedSpool<T, Less>::FinishAndVisit(Visit visit) {
  assert(!finished_);
  SpillRest();
  if (runs_.size() > 1) {
    MergeFrom(0, std::move(visit));
  } else {
    Cursor cursor(*this, internal::SpoolFile::kBufferBytes);
    std::uint64_t place = cursor.place();
    for (std::uint64_t items = 0; const T* item = cursor.Next(); place = cursor.place()) {
      if (items++ % kItemsPerStep == 0) ThrowIfStopRequested(options_.stop);
      visit(*item, place);
    }
  }
  finished_ = true;
}

template <typename T, typename Less>
Task<> SortedSpool<T, Less>::Finish(Executor& executor) {
  assert(!finished_);
  SpillRest();
  if (runs_.size() > 1) {
    Merger merger(*this, 0);
    while (merger.Step()) co_await executor.YieldIfBusy();
    merger.Finish();
  }
  finished_ = true;
}

template <typename T, typename Less>
void SortedSpool<T, Less>::SpillRest() {
  if (runs_.empty()) return SortMemory();
  if (!memory_.empty()) Spill();
  memory_.shrink_to_fit();
}

// Sorts pointers: items may be large, and are only to be written in their order.
template <typename T, typename Less>
void SortedSpool<T, Less>::Spill() {
  std::vector<const T*> sorted;
  sorted.reserve(memory_.size());
  for (const T& item : memory_) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [this](const T* a, const T* b) { return less_(*a, *b); });
  auto file = std::make_unique<internal::SpoolFile>(options_.directory);
  for (const T* item : sorted) AppendTo(*file, *item);
  file->Flush();
  runs_.push_back({.file = std::move(file), .level = 0});
  memory_.clear();
  memory_bytes_ = 0;
}

template <typename T, typename Less>
void SortedSpool<T, Less>::AppendTo(internal::SpoolFile& file, const T& item) {
  if (appended_++ % kItemsPerStep == 0) ThrowIfStopRequested(options_.stop);
  record_.clear();
  Codec::Encode(item, &record_);
  file.AppendRecord(record_);
}

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_SORTED_SPOOL_H_
