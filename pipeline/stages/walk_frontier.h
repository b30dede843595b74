#ifndef SLUICE_PIPELINE_STAGES_WALK_FRONTIER_H_
#define SLUICE_PIPELINE_STAGES_WALK_FRONTIER_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/directory_walker.h"

namespace sluice {

// A part of a walk that one hand goes through from its beginning to its end.
struct Subtree {
  const std::string* root = nullptr;
  // Absent in one that is a whole root, which nobody has looked at yet.
  std::optional<DirectoryWalker> walker;
};

// What several hands that walk some roots together still have to do
// =================================================================
//
// Each hand takes a subtree and goes through it. While another one has nothing to do
// (`is_anyone_idle`), it splits what it has (DirectoryWalker::Split) and offers the rest. So work
// changes hands only where somebody waits for it, and in the largest pieces there are.
//
// Bound: a hand offers one subtree before it looks again; the offers and the walkers that are in
// hand are at most twice the hands. Thread-safe. Lifetime: `roots` outlive it.
// Source: work stealing from the shallow end, as of Blumofe and Leiserson, "Scheduling
// multithreaded computations by work stealing" (1999), with the victim doing the work.
class WalkFrontier final {
 public:
  WalkFrontier(const std::vector<std::string>& roots, std::size_t hands)
      : roots_(roots), hands_(hands) {}

  // The next subtree for a hand; nullopt when all is done. Waits, on the executor, while others
  // may still offer something. Throws Cancelled when stopped. `executor` may be null for one hand,
  // which never waits.
  Task<std::optional<Subtree>> Next(Executor* executor, std::stop_token stop);

  // A hand waits that nothing is offered to.
  bool is_anyone_idle() const { return wanted_.load(std::memory_order_relaxed) > 0; }
  void Offer(Subtree subtree);

 private:
  std::optional<Subtree> TryTake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountWanted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<std::string>& roots_;
  const std::size_t hands_;

  std::mutex mutex_;
  std::size_t next_root_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Subtree> offered_ ABSL_GUARDED_BY(mutex_);
  std::size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;  // All of them: then all is done.
  // How many more idle hands than offers there are.
  std::atomic<std::size_t> wanted_ = 0;

  Signal changed_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_WALK_FRONTIER_H_
