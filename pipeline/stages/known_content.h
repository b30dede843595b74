#ifndef SLUICE_PIPELINE_STAGES_KNOWN_CONTENT_H_
#define SLUICE_PIPELINE_STAGES_KNOWN_CONTENT_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"

namespace sluice {

// What is known of a content: the digests of those of its parts that were read. Prefix and suffix
// only ever tell files apart, so they are digested by the fastest algorithm there is
// (kStageAlgorithm), whatever the job's own is. The digests stand beside each other: combined (by
// XOR, say) different contents could get the same key.
struct ContentKey {
  static constexpr DigestAlgorithm kStageAlgorithm = DigestAlgorithm::kXxh3_128;

  std::array<std::optional<Digest>, 3> digests;  // By ContentPart.

  std::optional<Digest>& of(ContentPart part) { return digests[static_cast<std::size_t>(part)]; }
  const std::optional<Digest>& of(ContentPart part) const {
    return digests[static_cast<std::size_t>(part)];
  }
  bool empty() const { return *this == ContentKey(); }

  auto operator<=>(const ContentKey&) const = default;
};

// What a job has found out about one version of an inode. A later job uses it instead of reading
// the file where it meets that very version: see CandidateQuery::known.
struct KnownContent {
  std::uint64_t size = 0;  // Bytes.
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t modify_time_ns = 0;  // Since 1970-01-01 UTC.
  std::int64_t change_time_ns = 0;
  ContentKey key;

  bool IsOf(const FileStat& stat) const {
    return stat.device == device && stat.inode == inode && stat.size == size &&
           stat.modify_time_ns == modify_time_ns && stat.change_time_ns == change_time_ns;
  }
  bool operator==(const KnownContent&) const = default;
};

// At most kMaxKnownContents: large classes hand on theirs in pieces.
using KnownContents = std::vector<KnownContent>;
inline constexpr std::size_t kMaxKnownContents = 256;

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_KNOWN_CONTENT_H_
