#ifndef SLUICE_PIPELINE_STAGES_GROUP_H_
#define SLUICE_PIPELINE_STAGES_GROUP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/keep_rules.h"
#include "pipeline/stages/known_content.h"
#include "pipeline/stages/plan.h"
#include "pipeline/stages/reconcile_context.h"

namespace sluice {

template <>
struct SpoolCodec<PlanCopy> {
  static void Encode(const PlanCopy& copy, std::string* out);
  static PlanCopy Decode(std::string_view* in);
  static std::size_t SizeInMemory(const PlanCopy& copy);
};

// Copies by device, inode, path.
struct ByInode {
  bool operator()(const PlanCopy& a, const PlanCopy& b) const;
};

// The names of one inode that are in a plan, as far as they have been seen.
struct InodeNames {
  FileStat stat;
  std::uint64_t count = 0;
  bool any_protected = false;

  bool Holds(const PlanCopy& copy) const {
    return count > 0 && copy.file.stat.device == stat.device && copy.file.stat.inode == stat.inode;
  }
  void Add(const PlanCopy& copy);

  // What the inode gives back when these, all that are in the plan, are taken away or replaced: its
  // storage if no other link is left and none is protected. That holds for reflinks too: a promise
  // that does not depend on how the storage comes to be shared.
  std::uint64_t RecoverableBytes() const {
    return count == stat.link_count && !any_protected ? stat.allocated_bytes : 0;
  }
};

// The names of one content, and what a plan says of them. Added to, finished, then read by parts.
// Memory: a spool's. Not thread-safe.
class Group final {
 public:
  Group(ReconcileContextPtr context, const Digest& digest);

  const Digest& digest() const { return digest_; }

  // REQUIRES: names of the same inode follow each other.
  void Add(CandidateFile name);
  void Finish();

  // For groups of any size: gives the thread back while copies are sorted. See SortedSpool.
  bool merge_due() const { return copies_.merge_due(); }
  Task<> Merge(Executor& executor) { return copies_.Merge(executor); }
  Task<> Finish(Executor& executor);

  // Whether there are enough copies, in enough places. REQUIRES (from here on): finished.
  bool MakesPlan() const { return tally_.Suffices(context_->options); }
  std::uint64_t total_recoverable_bytes() const;
  // What an inode of the group gives back, given where the source of truth is.
  std::uint64_t RecoverableBytes(const InodeNames& inode) const;

  // A part of the plan without its copies.
  Plan Header() const;
  auto Read() const { return copies_.Read(); }

 private:
  void EndInode();
  bool CrossesDevices() const;

  struct DeviceBytes {
    std::uint64_t device = 0;
    std::uint64_t recoverable = 0;
  };

  ReconcileContextPtr context_;
  Digest digest_;
  SortedSpool<PlanCopy, ByInode> copies_;
  SourceChoice choice_;
  CopyTally tally_;
  InodeNames inode_;
  bool inode_has_source_ = false;
  std::optional<std::uint32_t> within_scan_;
  std::uint64_t source_recoverable_ = 0;  // Of the source's inode, were it another one.
  std::vector<DeviceBytes> by_device_;    // One for each file system.
};

// The classes up to `end` are decided, and their groups have been handed on.
struct DecidedUpTo {
  std::uint64_t end = 0;    // A position in the candidate list.
  std::uint64_t bytes = 0;  // Of the files decided with it.
};

using GroupItem = std::variant<std::unique_ptr<Group>, ItemError, KnownContent, DecidedUpTo>;

// Cuts the plan of a group into parts of at most kMaxCopiesPerPart and kMaxPathBytesPerPart.
// Memory: one part. Not thread-safe.
class PlanParts final {
 public:
  // REQUIRES: finished, and MakesPlan().
  explicit PlanParts(std::unique_ptr<Group> group);

  // nullopt after the last one.
  std::optional<Plan> Next();

 private:
  std::size_t PathBytesOfNext() const;
  void AppendNextCopy(Plan& plan);

  std::unique_ptr<Group> group_;
  std::uint32_t part_ = 0;
  SortedSpool<PlanCopy, ByInode>::Cursor cursor_;
  const PlanCopy* next_;
  InodeNames inode_;
  std::string first_path_;  // Of inode_.
  std::size_t path_bytes_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_GROUP_H_
