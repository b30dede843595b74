#ifndef SLUICE_PIPELINE_STAGES_INODE_H_
#define SLUICE_PIPELINE_STAGES_INODE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/async/task.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/candidate_pages.h"
#include "pipeline/stages/known_content.h"
#include "pipeline/stages/reconcile_context.h"

namespace sluice {

// What the names of one inode know of its content, before anything is read: by digests that scans
// recorded (of the job's algorithm), and by what earlier jobs found out. Names that were recorded
// in different versions know nothing: which of them is there now, only reading can tell.
class Knowledge final {
 public:
  Knowledge() = default;
  Knowledge(const CandidateFile& name, DigestAlgorithm algorithm);

  // Takes in the name that follows in the list; false when it is another inode's.
  bool Add(const CandidateFile& name, DigestAlgorithm algorithm);

  // Prefix and suffix are of kStageAlgorithm, the whole is of the job's.
  const ContentKey& key() const { return key_; }

 private:
  FileStat stat_;
  ContentKey key_;
  bool several_versions_ = false;
};

// An inode on its way through the stages.
struct Inode {
  CandidateFile name;          // The name it is read by.
  std::uint64_t position = 0;  // Of that name in the candidate list.
  std::uint64_t names = 1;     // From that one on; those before it could not be read.
  bool version_read = false;   // The stat of `name` is that of a content that was read.
  ContentKey key;              // What is known of the content by now.

  KnownContent known() const;
};

// What flows through the stages of a large class: inodes, names that failed, and what is known of
// inodes that go no further, or are known whole.
using InodeItem = std::variant<Inode, ItemError, KnownContent>;

// Inodes that the stages up to `part` have not told apart follow each other, in the order of the
// list. Beyond the last stage that is the order of the digests in plans, whatever was known before.
struct ByContent {
  ContentPart part = ContentPart::kWhole;

  bool operator()(const Inode& a, const Inode& b) const {
    const std::strong_ordering order = Compare(a.key, b.key);
    if (order != 0) return order < 0;
    return std::tie(a.name.file.stat.device, a.name.file.stat.inode) <
           std::tie(b.name.file.stat.device, b.name.file.stat.inode);
  }
  bool Same(const ContentKey& a, const ContentKey& b) const { return Compare(a, b) == 0; }

 private:
  std::strong_ordering Compare(const ContentKey& a, const ContentKey& b) const;
};

template <>
struct SpoolCodec<Inode> {
  static void Encode(const Inode& inode, std::string* out);
  static Inode Decode(std::string_view* in);
  static std::size_t SizeInMemory(const Inode& inode) {
    return sizeof inode + inode.name.file.path.capacity();
  }
};

// Reads parts of inodes, each by the first of its names that can be read. Not thread-safe.
// Lifetime: what it is made of, and the inodes, outlive its tasks.
class InodeReader final {
 public:
  InodeReader(const ReconcileContext& context, std::stop_token stop)
      : context_(context), stop_(std::move(stop)), pages_(*context.deps.candidates) {}

  // Begins to read what Read will want.
  void ReadAhead(ContentPart part, const Inode& inode, OpenedFile& file);
  // Adds the digest of one more part to the key, unless it is known. Each name that cannot be read
  // is an error; false when none is left. Throws Cancelled, in the middle of a file.
  // `file` is the inode's, or not open. `keep`, where it is given: as DigestRequest has it; empty
  // afterwards, unless the bytes are there.
  Task<bool> Read(ContentPart part, Inode& inode, OpenedFile& file,
                  std::span<std::uint8_t>* keep = nullptr);
  // The name at `position` of an inode that is read, if it was recorded in the version that is.
  // REQUIRES: inode.position <= position < inode.position + inode.names.
  ItemResult<CandidateFile> Name(const Inode& inode, std::uint64_t position);

  std::vector<ItemError> TakeErrors() { return std::exchange(errors_, {}); }

 private:
  DigestRequest RequestFor(ContentPart part, const Inode& inode) const;
  Task<std::optional<ItemError>> TryRead(DigestRequest request, Inode& inode,
                                         std::span<std::uint8_t>* keep);
  bool TakeNextName(Inode& inode);

  const ReconcileContext& context_;
  const std::stop_token stop_;
  CandidatePages pages_;
  std::vector<ItemError> errors_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_INODE_H_
