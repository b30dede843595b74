#ifndef SLUICE_PIPELINE_STAGES_COUNTERS_H_
#define SLUICE_PIPELINE_STAGES_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace sluice {

// What the stages of one job have done so far. Stages add, progress reads; the figures are
// independent of each other, so relaxed order is enough. Thread-safe.
struct StageCounter {
  std::atomic<std::uint64_t> items = 0;
  std::atomic<std::uint64_t> bytes = 0;

  void Add(std::uint64_t item_count, std::uint64_t byte_count) {
    items.fetch_add(item_count, std::memory_order_relaxed);
    bytes.fetch_add(byte_count, std::memory_order_relaxed);
  }
};

struct PipelineCounters {
  StageCounter enumerate;  // Entries seen, and the sizes of the regular files among them.
  StageCounter digest;     // Files digested (every stage of them), and bytes read.
  std::atomic<std::uint64_t> reading = 0;  // Bytes read of files that are being digested now.
  StageCounter group;                      // Reconcile: inodes taken in, and their sizes.
  StageCounter plan;                       // Plans (in parts: once), and bytes recoverable.
  std::atomic<std::uint64_t> skipped = 0;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_COUNTERS_H_
