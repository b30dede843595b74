#ifndef SLUICE_PIPELINE_FS_KEY_SET_H_
#define SLUICE_PIPELINE_FS_KEY_SET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/fs/spool_file.h"

namespace sluice {

// 128 bits that are spread evenly: a keyed hash.
using SetKey = std::array<std::uint8_t, 16>;

template <>
struct SpoolCodec<SetKey> {
  static void Encode(const SetKey& key, std::string* out) { AppendValue(key, out); }
  static SetKey Decode(std::string_view* in) { return TakeValue<SetKey>(in); }
  static std::size_t SizeInMemory(const SetKey& key) { return sizeof key; }
};

// A set of any number of keys in constant memory
// ==============================================
//
// Up to kMaxInMemory keys are a sorted vector; more are a sorted, unlinked temporary file in which
// a key is found by interpolation: as keys are spread evenly, where one must stand is known to
// within about the square root of their number, so that two or three reads of kBlockKeys find it
// among billions. (Keys that are not are found as well, by halves.)
//
//   KeySet::Builder builder("/var/tmp");
//   builder.Add(key);
//   const KeySet set = co_await builder.Finish(executor);
//   if (set.Contains(key)) ...
//
// Move-only, immutable. Thread-safe. Blocks on the disk (mostly: on its cache).
// Errors: StatusError RESOURCE_EXHAUSTED (no space, no descriptors), UNAVAILABLE (I/O).
class KeySet final {
 public:
  static constexpr std::size_t kMaxInMemory = 64 * 1024;
  static constexpr std::size_t kBlockKeys = 256;

  class Builder;

  // The empty set.
  KeySet() = default;

  bool Contains(const SetKey& key) const;
  std::uint64_t size() const { return size_; }

 private:
  bool FindInFile(const SetKey& key) const;
  void ReadKeys(std::uint64_t first, std::size_t count, SetKey* to) const;

  std::uint64_t size_ = 0;
  std::vector<SetKey> memory_;
  std::unique_ptr<const internal::SpoolFile> file_;  // Null when all keys are in memory.
};

// Takes keys in any order, as often as they come. Memory: a spool's. Not thread-safe.
// Cancellation: `stop` ends whatever takes long with Cancelled. Errors: as the set's.
class KeySet::Builder final {
 public:
  explicit Builder(std::string directory, std::stop_token stop = {});

  void Add(const SetKey& key) { spool_.Add(key); }
  // Sorts what is due to be sorted; called now and then, it keeps Add from taking long. Like
  // Finish, it gives the thread back every few keys when somebody waits for it.
  Task<> Merge(Executor& executor) { return spool_.Merge(executor); }
  // REQUIRES: called once.
  Task<KeySet> Finish(Executor& executor);

 private:
  const std::string directory_;
  const std::stop_token stop_;
  SortedSpool<SetKey> spool_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_KEY_SET_H_
