#ifndef SLUICE_PIPELINE_STAGES_INODE_H_
#define SLUICE_PIPELINE_STAGES_INODE_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
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

// An inode on its way through the stages.
struct Inode {
  // The name it is read by. Its digest is the recorded one if the job can use it, else none.
  CandidateFile name;
  std::uint64_t position = 0;  // Of that name in the candidate list.
  std::uint64_t names = 1;     // From that one on; those before it could not be read.
  bool version_read = false;   // The stat of `name` is that of the content in `key`.
  ContentKey key;
};

using InodeItem = std::variant<Inode, ItemError>;

// Inodes with the same content follow each other, in the order of the candidate list.
struct ByContent {
  bool operator()(const Inode& a, const Inode& b) const {
    return std::tie(a.key, a.name.file.stat.device, a.name.file.stat.inode) <
           std::tie(b.key, b.name.file.stat.device, b.name.file.stat.inode);
  }
};

template <>
struct SpoolCodec<Inode> {
  static void Encode(const Inode& inode, std::string* out);
  static Inode Decode(std::string_view* in);
  static std::size_t SizeInMemory(const Inode& inode) {
    return sizeof inode + inode.name.file.path.capacity();
  }
};

// The inode whose first name is at `position`.
Inode MakeInode(CandidateFile name, std::uint64_t position, const ReconcileOptions& options);

// Takes in the name that follows in the list; false when it is another inode's.
bool AddName(const CandidateFile& name, const ReconcileOptions& options, Inode& inode);

// Adds the digest of one more part to the key, by the first of its names that can be read. Each
// name that cannot is an error. False when none is left. `pages` are for the other names.
// Throws Cancelled, in the middle of a file. Lifetime: all that is referred to outlives the task.
Task<bool> ReadPart(ContentPart part, const ReconcileContext& context, std::stop_token stop,
                    CandidatePages& pages, Inode& inode, std::vector<ItemError>& errors);

// The name at `position` of an inode that has been read, if it is of the version that was read.
// REQUIRES: inode.position <= position < inode.position + inode.names.
ItemResult<CandidateFile> CheckedName(const Inode& inode, std::uint64_t position,
                                      const ReconcileContext& context, CandidatePages& pages);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_INODE_H_
