#include "server/jobs/job_runner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/batch.h"
#include "pipeline/ops/pipe.h"

namespace sluice {
namespace {

// What is stored together in bytes, but for the last item: a part of a large plan has some 100 KiB.
// As much again may fill meanwhile.
constexpr std::size_t kBytesPerTransaction = std::size_t{512} * 1024;

// What an item holds beside itself.
std::size_t OwnedBytes(const FileEntry& file) { return file.path.size(); }
std::size_t OwnedBytes(const ItemError& error) { return error.path.size(); }
std::size_t OwnedBytes(const SkippedItem& skipped) { return skipped.path.size(); }
std::size_t OwnedBytes(const Plan& plan) {
  std::size_t bytes = 0;
  for (const PlanCopy& copy : plan.copies) {
    bytes += sizeof copy + copy.file.path.size();
    if (copy.shares_storage_with) bytes += copy.shares_storage_with->size();
  }
  return bytes;
}
std::size_t OwnedBytes(const ApplyOutcome& outcome) {
  return outcome.path.size() + outcome.kept_path.size();
}
std::size_t OwnedBytes(const KnownContents& contents) {
  return contents.size() * sizeof(KnownContent);
}
std::size_t OwnedBytes(const JobCheckpoint& checkpoint) { return checkpoint.state.size(); }

struct BytesOfItem {
  std::size_t operator()(const JobItem& item) const {
    return sizeof item + std::visit([](const auto& value) { return OwnedBytes(value); }, item);
  }
};

// Events stored together. At most a quarter of the window, so that a batch which is stored, one
// which fills meanwhile and those on their way to the client fit into it together.
std::size_t BatchSize(const Job& job) {
  const std::size_t most = job.kind().events_per_transaction;
  if (job.spec().pacing() == v1::PACING_FREE_RUNNING) return most;
  return std::clamp<std::size_t>(job.spec().window() / 4, 1, most);
}

// Waits until `count` more events keep the job within its window.
Task<> WaitForConsumers(Job& job, std::size_t count, std::size_t batch_size, Executor& executor) {
  if (job.spec().pacing() == v1::PACING_FREE_RUNNING) co_return;
  const std::uint64_t window = job.spec().window();
  // `batch_size` more may be pulled by now, and wait to be stored next.
  const std::uint64_t held = count + batch_size;
  const std::uint64_t ahead = window > held ? window - held : 0;
  co_await job.log().WaitForRoom(executor, ahead, job.run_stop_token(), job);
}

// What earlier runs have recorded beyond the checkpoint; null for nothing.
Task<std::unique_ptr<RecordedItems>> ReadRecorded(Job& job, const JobEnvironment& environment,
                                                  JobScope& scope) {
  const std::uint64_t first = job.checkpoint().sequence + 1;
  if (first > job.log().extent().last) co_return nullptr;
  RecordedItems::Builder recorded(environment.spool_directory, scope.stop_token());
  std::uint64_t next = first;
  while (true) {
    const EventLog::Slice page = ValueOrThrow(job.log().Read(next));
    if (page.events.empty()) break;
    for (const EventRecord& event : page.events) {
      if (const auto* file = std::get_if<FileEntry>(&event.event)) {
        recorded.Add(*file);
      } else {
        const auto& payload = std::get<EventPayload>(event.event);
        recorded.AddPayload(payload.kind, payload.payload);
      }
    }
    next = page.events.back().sequence + 1;
    ThrowIfStopRequested(scope.stop_token());
    co_await recorded.Merge(scope.executor());
    co_await scope.executor().YieldIfBusy();
  }
  co_return std::make_unique<RecordedItems>(co_await recorded.Finish(scope.executor()));
}

// `run` is the caller's, as children of the scope read it until they have been joined.
Task<> RunPipeline(Job& job, JobScope& scope, const JobEnvironment& environment, Clock& clock,
                   std::optional<JobRun>& run) {
  job.SetRecorded(co_await ReadRecorded(job, environment, scope));
  run.emplace(JobRun{.job_id = job.id(),
                     .spec = job.spec(),
                     .scope = scope,
                     .counters = job.counters(),
                     .recorded = job.recorded(),
                     .checkpoint = job.checkpoint().state});
  const std::size_t batch_size = BatchSize(job);
  auto batches =
      job.kind().start(*run, environment) |
      Batch(scope, clock,
            {.max_items = batch_size, .max_delay = kStoreDelay, .max_bytes = kBytesPerTransaction},
            BytesOfItem());
  while (auto batch = co_await batches.Next()) {
    co_await WaitForConsumers(job, batch->size(), batch_size, scope.executor());
    ThrowIfError(job.Append(*std::move(batch)));
    co_await scope.executor().YieldIfBusy();
  }
}

}  // namespace

Task<absl::Status> RunJob(std::shared_ptr<Job> job, const JobEnvironment& environment,
                          Executor& executor, Clock& clock) {
  std::optional<JobRun> run;
  JobScope scope(executor, job->run_stop_token());
  std::exception_ptr error;
  try {
    co_await RunPipeline(*job, scope, environment, clock, run);
  } catch (...) {
    error = std::current_exception();
  }
  scope.RequestStop();
  try {
    co_await scope.Join();
  } catch (...) {
    if (!error) error = std::current_exception();
  }
  co_return job->EndRun(ToStatus(error));
}

}  // namespace sluice
