#ifndef SLUICE_PIPELINE_STAGES_RECONCILE_H_
#define SLUICE_PIPELINE_STAGES_RECONCILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/glob.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/keep_rules.h"
#include "pipeline/stages/plan.h"

namespace sluice {

struct ReconcileOptions {
  struct Scan {
    std::string name;                // "scans/{id}".
    std::vector<std::string> roots;  // For kRootOrder.
  };
  enum class Order : std::uint8_t { kByPotential, kLargestFirst };

  std::vector<Scan> scans;
  std::uint32_t min_copies = 2;  // Inodes.
  bool across_devices_only = false;
  bool within_scan = false;  // Each size class has files of one scan only.
  std::vector<KeepRule> keep;
  GlobSet protect;
  Action action = Action::kHardlink;
  Order order = Order::kByPotential;
  DigestAlgorithm digest_algorithm = DigestAlgorithm::kSha256;
  std::size_t concurrency = 1;
  // A checkpoint of an earlier run over the same candidates, with the same options.
  std::uint64_t start_position = 0;
};

struct ReconcileDeps {
  // Shared: children of the scope may still read it when the generator has been dropped.
  std::shared_ptr<CandidateList> candidates;
  ContentDigester& digester;
  JobScope& scope;
  PipelineCounters& counters;
  std::string spool_directory;
};

// A size class of at most so many inodes is small: it is decided in one piece, by one thread,
// beside others. (Of those that are not no two are read at a time, which leaves threads without
// work at both their ends: in /usr a tenth of all classes have 33 to 128 names.) ...
inline constexpr std::size_t kSmallClassInodes = 128;
// ... unless its names, which stay in memory, take more than so many bytes there ...
inline constexpr std::size_t kSmallClassNameBytes = 256 * 1024;
// ... or its files come to more than so many bytes and are more than so few ...
inline constexpr std::uint64_t kSmallClassBytes = 64 * 1024 * 1024;
inline constexpr std::size_t kFewInodes = 4;
// ... or its files are so large: several threads read them, or two copies would take as long as one
// thread needs for both.
inline constexpr std::uint64_t kHugeFileBytes = std::uint64_t{1024} * 1024 * 1024;
// Small classes are decided in batches of at most so many inodes, and as many bytes of names as one
// class may have.
inline constexpr std::size_t kSmallBatchInodes = 128;
// A checkpoint follows what was yielded (contents do not count) since the last one as soon as it
// can; where there was nothing, when so many names, or files of so many bytes, have been decided
// since.
inline constexpr std::uint64_t kCheckpointNames = 4096;
inline constexpr std::uint64_t kCheckpointBytes = 64 * 1024 * 1024;
// Memory of one spool. At most eight are in use at a time: one for each of the three stages of a
// large class, and of the one that is read after it, one for the names of its group, one for the
// order kLargestFirst.
inline constexpr std::size_t kReconcileSpoolBytes = 4 * 1024 * 1024;

// Finds the groups of identical files among the candidates, and yields one plan for each.
//
// The names of an inode count as one copy. Inodes of a size class are told apart by the digest of
// their prefix, then of their suffix, then of the whole content; only what is still undecided is
// read on, and what is known of the same version (recorded digests, CandidateFile::known) is not
// read: an inode that is known whole is opened only where its ends tell others apart that would
// have to be read whole otherwise. Prefix and suffix are digested by ContentKey::kStageAlgorithm,
// and compared as tuples, never combined; the members of a group always have equal digests of the
// whole content, by the job's algorithm. A group of any size passes through a spool of bounded
// memory and leaves in parts.
//
// KnownContents hand on what is known of an inode in the end, whether or not it is in a plan,
// before the checkpoint that covers it. Inodes of classes that cannot make a plan are not among
// them.
//
// Order: size classes as the list has them, each group as soon as its class is decided
// (kByPotential), or all by total_recoverable_bytes, largest first (kLargestFirst). The same
// candidates and files give the same plans in the same order, however many threads read.
//
// Checkpoints (kByPotential only) say from where a run that was interrupted may go on: one comes
// after each batch of small classes and each other class that yielded something, and last of all
// at the end of the list.
//
// Bound: small classes are put together in batches of about kSmallBatchInodes inodes or
// kDigestChunkBytes; at most twice `concurrency` batches are ahead of the consumer, `concurrency`
// of them being read, and never one class ahead of or beyond a class that is not small. Of such
// classes one is read while the groups of the one before it are handed on: see large_class.h.
//
// Errors: a file that is read and has vanished or changed since it was recorded is an ItemError and
// in no plan, like a name that was recorded in another version than the one that is read; an inode
// that cannot be read by one name is read by another one.
// What a name in a plan has been seen to be: the scan recorded it as a name of this version of this
// inode, and this version has this digest. Nothing else is looked at, not even whether the name is
// still there: whoever carries out a plan compares the bytes once more, and would have to anyway.
// StatusError: the list, or the spools' directory, failed.
// Cancellation: Cancelled, also in the middle of a file.
// Lifetime: `deps` outlive the scope's Join. Blocks on the disk between two items.
// REQUIRES: options.concurrency >= 1; start_position is 0 or a checkpoint.
AsyncGenerator<ReconcileItem> Reconcile(ReconcileOptions options, ReconcileDeps deps);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_RECONCILE_H_
