#ifndef SLUICE_PIPELINE_STAGES_RECORDED_DIGESTS_H_
#define SLUICE_PIPELINE_STAGES_RECORDED_DIGESTS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/key_map.h"

namespace sluice {

// The digests that an earlier scan recorded
// =========================================
//
// A file that is still in the version that was digested then need not be read again, whatever its
// name is by now:
//
//   RecordedDigests::Builder builder(DigestAlgorithm::kSha256, trusted_before_ns, "/var/tmp");
//   while (NextPage(scan)) {
//     for (file : page) builder.Add(file);
//     co_await builder.Merge(executor);
//   }
//   const RecordedDigests digests = co_await builder.Finish(executor);
//   if (auto digest = digests.Find(file.stat)) ...
//
// Versions are known by a hash (SipHash with 128 bits under a key drawn at random for each set):
// constant memory, 49 bytes of disk for each. Move-only, immutable. Thread-safe. Blocks on the
// disk. Errors: a KeyMap's.
class RecordedDigests final {
 public:
  class Builder;

  std::optional<Digest> Find(const FileStat& stat) const;
  std::uint64_t size() const { return digests_.size(); }

 private:
  using HashKey = std::array<unsigned char, 16>;

  RecordedDigests(const HashKey& hash_key, KeyMap<Digest> digests)
      : hash_key_(hash_key), digests_(std::move(digests)) {}

  HashKey hash_key_;
  KeyMap<Digest> digests_;
};

// Not thread-safe. Memory, cancellation and errors: a KeyMap::Builder's.
class RecordedDigests::Builder final {
 public:
  // Takes digests of this algorithm, and of versions whose times lie before `trusted_before_ns`.
  Builder(DigestAlgorithm algorithm, std::int64_t trusted_before_ns, std::string spool_directory,
          std::stop_token stop = {});

  void Add(const FileEntry& file);
  // Called now and then (after each page), it keeps Add from taking long.
  Task<> Merge(Executor& executor) { return digests_.Merge(executor); }
  // REQUIRES: called once.
  Task<RecordedDigests> Finish(Executor& executor);

 private:
  const DigestAlgorithm algorithm_;
  const std::int64_t trusted_before_ns_;
  HashKey hash_key_;
  KeyMap<Digest>::Builder digests_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_RECORDED_DIGESTS_H_
