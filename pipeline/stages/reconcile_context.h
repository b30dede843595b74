#ifndef SLUICE_PIPELINE_STAGES_RECONCILE_CONTEXT_H_
#define SLUICE_PIPELINE_STAGES_RECONCILE_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/keep_rules.h"
#include "pipeline/stages/reconcile.h"

namespace sluice {

// What the steps of one reconciliation have in common. Immutable. Shared, because a child may still
// run when the generator that spawned it has been dropped.
struct ReconcileContext {
  ReconcileContext(ReconcileOptions options_in, ReconcileDeps deps_in)
      : options(std::move(options_in)),
        deps(std::move(deps_in)),
        rules(options.keep, RootsOf(options)) {}

  SpoolOptions spool() const {
    return {.directory = deps.spool_directory,
            .budget_bytes = kReconcileSpoolBytes,
            .stop = deps.scope.stop_token()};
  }

  const ReconcileOptions options;
  const ReconcileDeps deps;
  const KeepRules rules;

 private:
  static std::vector<std::vector<std::string>> RootsOf(const ReconcileOptions& options) {
    std::vector<std::vector<std::string>> roots;
    roots.reserve(options.scans.size());
    for (const ReconcileOptions::Scan& scan : options.scans) roots.push_back(scan.roots);
    return roots;
  }
};

using ReconcileContextPtr = std::shared_ptr<const ReconcileContext>;

// Counts the copies of a group, as far as that says whether it can make a plan.
class CopyTally final {
 public:
  void AddInode(std::uint64_t device) {
    if (inodes_ > 0 && device != device_) several_devices_ = true;
    device_ = device;
    ++inodes_;
  }

  bool Suffices(const ReconcileOptions& options) const {
    return inodes_ >= 2 && inodes_ >= options.min_copies &&
           (several_devices_ || !options.across_devices_only);
  }

 private:
  std::uint64_t inodes_ = 0;
  std::uint64_t device_ = 0;
  bool several_devices_ = false;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_RECONCILE_CONTEXT_H_
