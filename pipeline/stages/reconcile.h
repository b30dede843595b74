#ifndef SLUICE_PIPELINE_STAGES_RECONCILE_H_
#define SLUICE_PIPELINE_STAGES_RECONCILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/glob.h"
#include "pipeline/stages/counters.h"

namespace sluice {

// One recorded name of a regular file that shares its size with another inode.
struct CandidateFile {
  FileEntry file;
  std::uint32_t scan_index = 0;  // Into ReconcileOptions::scans.
  // Files of the same class have the same size and may be compared with each other.
  std::uint64_t size_class = 0;
};

// The candidates, ordered by size class (those that can give back most at first), device, inode,
// path; addressed by position 0, 1, 2 ... A snapshot: it does not change. Thread-safe. Blocks.
class CandidateList {
 public:
  CandidateList() = default;
  CandidateList(const CandidateList&) = delete;
  CandidateList& operator=(const CandidateList&) = delete;
  virtual ~CandidateList() = default;

  // At most `limit` candidates from position `first` on; fewer only at the end.
  virtual absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t first,
                                                          std::size_t limit) = 0;
};

enum class Action : std::uint8_t { kHardlink, kReflink, kSymlink, kRemove };

struct KeepRule {
  enum class Criterion : std::uint8_t {
    kRootOrder,
    kPathGlob,
    kOldest,
    kNewest,
    kShortestPath,
    kDeepestPath,
    kMostLinks,
    kLowestInode,
    kPathOrder,
  };
  Criterion criterion = Criterion::kPathOrder;
  GlobSet glob;         // kPathGlob only.
  std::string pattern;  // Its text.
};

struct ReconcileOptions {
  struct Scan {
    std::string name;                // "scans/{id}".
    std::vector<std::string> roots;  // For kRootOrder.
  };
  enum class Order : std::uint8_t { kByPotential, kLargestFirst };

  std::vector<Scan> scans;
  std::uint32_t min_copies = 2;  // Inodes.
  bool across_devices_only = false;
  std::vector<KeepRule> keep;
  GlobSet protect;
  Action action = Action::kHardlink;
  Order order = Order::kByPotential;
  DigestAlgorithm digest_algorithm = DigestAlgorithm::kSha256;
  std::size_t concurrency = 1;
};

struct PlanCopy {
  FileEntry file;
  std::uint32_t scan_index = 0;
  std::optional<std::string> shares_storage_with;  // Path bytes of an earlier copy, same inode.
  bool is_protected = false;
};

// A group of identical files, or a part of one: see sluice.v1.ReconciliationPlan, whose terms these
// are.
struct Plan {
  std::uint64_t number = 0;  // 1, 2, 3 ... within the job, the same in every part.
  Digest digest;
  std::uint64_t size = 0;
  std::vector<PlanCopy> copies;
  FileEntry source_of_truth;
  KeepRule::Criterion deciding_criterion = KeepRule::Criterion::kPathOrder;
  std::string deciding_pattern;
  std::string reason;
  Action action = Action::kHardlink;
  std::uint64_t recoverable_bytes = 0;
  std::uint32_t part = 1;
  bool last_part = true;
  std::uint64_t total_copies = 0;
  std::uint64_t total_recoverable_bytes = 0;
};

// Copies in one part of a plan.
inline constexpr std::size_t kMaxCopiesPerPart = 256;
// Bytes of paths in one part of a plan (one path may exceed it by itself).
inline constexpr std::size_t kMaxPathBytesPerPart = 256 * 1024;

using ReconcileItem = std::variant<Plan, ItemError>;

struct ReconcileDeps {
  CandidateList& candidates;
  ContentDigester& digester;
  JobScope& scope;
  PipelineCounters& counters;
  std::string spool_directory;
};

// Finds the groups of identical files among the candidates, and yields one plan for each.
//
// The names of an inode count as one copy. Inodes of a size class are told apart by the digest of
// their prefix, then of their suffix, then of the whole content; only what is still undecided is
// read on, and a digest that was recorded for the same version is used again. Stage digests are
// compared as tuples, never combined. A group of any size passes through a spool of bounded memory
// and leaves in parts.
//
// Order: size classes as the list has them, each group as soon as its class is decided
// (kByPotential), or all by total_recoverable_bytes, largest first (kLargestFirst).
// A file that vanished or changed since it was recorded is an ItemError and in no plan.
AsyncGenerator<ReconcileItem> Reconcile(ReconcileOptions options, ReconcileDeps deps);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_RECONCILE_H_
