#ifndef SLUICE_TESTS_UNIT_STAGES_RECONCILE_RIG_H_
#define SLUICE_TESTS_UNIT_STAGES_RECONCILE_RIG_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/reconcile.h"
#include "tests/unit/stages/fake_disk.h"

namespace sluice {

// The fewest inodes of a class that is not small.
inline constexpr std::size_t kLargeClassInodes = kSmallClassInodes + 1;

// What a reconciliation came to.
struct Reconciled {
  std::vector<Plan> plans;  // Parts.
  std::vector<ItemError> errors;
  std::vector<KnownContent> contents;
  std::vector<std::uint64_t> checkpoints;
};

inline Task<std::optional<ReconcileItem>> NextOf(AsyncGenerator<ReconcileItem>* items) {
  co_return co_await items->Next();
}

inline Task<Reconciled> Drain(AsyncGenerator<ReconcileItem> items) {
  Reconciled result;
  while (auto item = co_await items.Next()) {
    if (auto* plan = std::get_if<Plan>(&*item)) {
      result.plans.push_back(std::move(*plan));
    } else if (const auto* checkpoint = std::get_if<ReconcileCheckpoint>(&*item)) {
      result.checkpoints.push_back(checkpoint->position);
    } else if (const auto* contents = std::get_if<KnownContents>(&*item)) {
      result.contents.insert(result.contents.end(), contents->begin(), contents->end());
    } else {
      result.errors.push_back(std::get<ItemError>(*std::move(item)));
    }
  }
  co_return result;
}

inline std::vector<std::string> PathsOf(const Plan& plan) {
  std::vector<std::string> paths;
  paths.reserve(plan.copies.size());
  for (const PlanCopy& copy : plan.copies) paths.push_back(copy.file.path);
  return paths;
}

inline std::vector<std::string> PathsOf(const std::vector<ItemError>& errors) {
  std::vector<std::string> paths;
  paths.reserve(errors.size());
  for (const ItemError& error : errors) paths.push_back(error.path);
  return paths;
}

// A content of `size` dots with `byte` at `place`.
inline std::string Content(std::size_t size, char byte = '.', std::size_t place = 0) {
  std::string content(size, '.');
  content[place] = byte;
  return content;
}

// So many inodes with the same content: "/<prefix>0", "/<prefix>1" ...
inline void AddCopies(FakeDisk& disk, const std::string& prefix, std::size_t count,
                      const std::string& content) {
  for (std::size_t i = 0; i < count; ++i) disk.AddFile(absl::StrCat("/", prefix, i), content);
}

// Two copies, "/<size>_0" and "/<size>_1", of each size.
inline void AddClassesOfTwo(FakeDisk& disk, const std::vector<std::size_t>& sizes) {
  for (const std::size_t size : sizes) AddCopies(disk, absl::StrCat(size, "_"), 2, Content(size));
}

inline std::optional<ReconcileItem> Pull(AsyncGenerator<ReconcileItem>& items) {
  return SyncWait(NextOf(&items));
}

// A list that outlives every generator of the test.
inline std::shared_ptr<CandidateList> Borrowed(CandidateList& list) {
  return {std::shared_ptr<void>(), &list};
}

// A disk, and all that is needed to reconcile what is on it. Joins its scope at the end.
struct ReconcileRig {
  ~ReconcileRig() { Join(); }

  // Takes the records of the disk's files as they are now.
  void Scan() { candidates.files() = disk.Candidates(); }

  AsyncGenerator<ReconcileItem> Start() {
    return Reconcile(options, {.candidates = Borrowed(candidates),
                               .digester = disk,
                               .scope = scope,
                               .counters = counters,
                               .spool_directory = testing::TempDir()});
  }
  Reconciled Run() { return SyncWait(Drain(Start())); }
  Reconciled ScanAndRun() {
    Scan();
    return Run();
  }
  void Join() { SyncWait(scope.Join()); }

  FakeDisk disk;
  FakeCandidates candidates;
  ReconcileOptions options{.concurrency = 2};
  PipelineCounters counters;
  ThreadPool pool{2};
  JobScope scope{pool};
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_RECONCILE_RIG_H_
