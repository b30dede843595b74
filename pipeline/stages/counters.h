#ifndef SLUICE_PIPELINE_STAGES_COUNTERS_H_
#define SLUICE_PIPELINE_STAGES_COUNTERS_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sluice {

// What the stages of one job have done so far. Stages add, progress reads; the figures are
// independent of each other, so relaxed order is enough. Thread-safe.
struct StageCounter {
  std::atomic<std::uint64_t> items = 0;
  std::atomic<std::uint64_t> bytes = 0;
  // Time that threads spent in this stage, waiting for the disk included and for other stages not;
  // summed over the threads, so that it may pass the time of the clock. Measured a directory or a
  // file at a time, never an item.
  std::atomic<std::int64_t> busy_ns = 0;

  void Add(std::uint64_t item_count, std::uint64_t byte_count) {
    items.fetch_add(item_count, std::memory_order_relaxed);
    bytes.fetch_add(byte_count, std::memory_order_relaxed);
  }
  void AddBusy(std::chrono::nanoseconds time) {
    busy_ns.fetch_add(time.count(), std::memory_order_relaxed);
  }
};

struct PipelineCounters {
  StageCounter enumerate;  // Entries seen, and the sizes of the regular files among them.
  StageCounter digest;     // Files digested (every stage of them), and bytes read.
  std::atomic<std::uint64_t> reading = 0;  // Bytes read of files that are being digested now.
  StageCounter group;                      // Reconcile: inodes taken in, and their sizes.
  StageCounter plan;                       // Plans (in parts: once), and bytes recoverable.
  StageCounter apply;                      // Copies decided, and bytes compared.
  std::atomic<std::uint64_t> skipped = 0;

  // The walk has ended: `enumerate` is all there is.
  std::atomic<bool> enumerated_all = false;
  // What will have been done at the end, as far as that is known (0: not yet): items of `digest` in
  // a scan, of `group` in a reconciliation and of `apply`; bytes of `digest` and `apply`. Upper
  // bounds: what turns out to be another name of the same inode, or fails, or need not be read to
  // its end, was counted.
  std::atomic<std::uint64_t> items_total = 0;
  std::atomic<std::uint64_t> bytes_total = 0;

  // So many of the items, or bytes, that were expected do not come.
  void LowerItemsTotal(std::uint64_t count) { Lower(items_total, count); }
  void LowerBytesTotal(std::uint64_t count) { Lower(bytes_total, count); }

 private:
  static void Lower(std::atomic<std::uint64_t>& total, std::uint64_t count) {
    if (total.load(std::memory_order_relaxed) == 0) return;
    total.fetch_sub(count, std::memory_order_relaxed);
  }
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_COUNTERS_H_
