#ifndef SLUICE_PIPELINE_STAGES_RECORDED_ITEMS_H_
#define SLUICE_PIPELINE_STAGES_RECORDED_ITEMS_H_

#include <array>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/key_set.h"

namespace sluice {

// What a job has recorded before it was interrupted
// =================================================
//
// A job that goes on repeats its walk, and asks here what it need not read or say again:
//
//   RecordedItems::Builder builder("/var/tmp");
//   while (NextPage(log)) {
//     for (event : page) builder.Add(event.file);
//     co_await builder.Merge(executor);
//   }
//   const RecordedItems recorded = co_await builder.Finish(executor);
//   if (recorded.Contains(file)) ...
//
// Files are known by the version they were recorded in, everything else by its bytes. Only hashes
// are kept (SipHash with 128 bits under a key drawn at random for each set, so that nobody can make
// paths that collide): constant memory, 16 bytes of disk for each item.
//
// Move-only, immutable. Thread-safe. Blocks on the disk. Errors: a KeySet's.
class RecordedItems final {
 public:
  class Builder;

  // Whether this version of the file, by this path, was recorded. Its digest does not matter.
  bool Contains(const FileEntry& file) const;
  bool ContainsPayload(std::uint32_t kind, std::string_view bytes) const;

  std::uint64_t size() const { return keys_.size(); }

 private:
  using HashKey = std::array<unsigned char, 16>;

  RecordedItems(const HashKey& hash_key, KeySet keys)
      : hash_key_(hash_key), keys_(std::move(keys)) {}

  HashKey hash_key_;
  KeySet keys_;
};

// Not thread-safe. Memory, cancellation and errors: a KeySet::Builder's.
class RecordedItems::Builder final {
 public:
  explicit Builder(std::string spool_directory, std::stop_token stop = {});

  void Add(const FileEntry& file);
  // Anything else: what it is, and its bytes.
  void AddPayload(std::uint32_t kind, std::string_view bytes);
  // Called now and then (after each page of a log, say), it keeps Add from taking long.
  Task<> Merge(Executor& executor) { return keys_.Merge(executor); }
  // REQUIRES: called once.
  Task<RecordedItems> Finish(Executor& executor);

 private:
  HashKey hash_key_;
  KeySet::Builder keys_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_RECORDED_ITEMS_H_
