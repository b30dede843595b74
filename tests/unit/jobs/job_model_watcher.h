#ifndef SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_WATCHER_H_
#define SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_WATCHER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"

#include "server/jobs/event_stream.h"
#include "tests/unit/async/started.h"
#include "tests/unit/jobs/job_model_rig.h"
#include "tests/unit/jobs/parsed_stream.h"

namespace sluice {

// A stream of a job of the model, pulled by hand. Dropped only while no pull is under way.
class ModelWatcher final {
 public:
  // kEager: asks for the next message as soon as it has one.
  enum class Pace : std::uint8_t { kByHand, kEager };

  ModelWatcher(std::size_t job, std::shared_ptr<Job> followed, std::uint64_t first, Pace pace,
               EventStreamOptions options, ManualJobRig& rig)
      : job_(job),
        next_(first),
        pace_(pace),
        stream_(Parsed(EventStream(std::move(followed), first, options,
                                   {.executor = rig.executor(),
                                    .clock = rig.clock(),
                                    .stop = stop_.get_token(),
                                    .draining = rig.manager().draining()}))) {
    Pull();
  }

  std::size_t job() const { return job_; }
  std::uint64_t next() const { return next_; }
  bool stopped() const { return stop_.stop_requested(); }
  void Stop() { stop_.request_stop(); }
  void Pull() {
    if (!pull_) pull_.emplace(NextOf(stream_));
  }
  bool is_pulling() const { return pull_.has_value(); }

  // Calls take(batch) for the messages that have come; true once the stream has ended, with
  // `outcome`.
  template <typename Take>
  bool Harvest(Take take) {
    while (pull_ && pull_->done()) {
      Started<std::optional<v1::EventBatch>> pull = *std::exchange(pull_, std::nullopt);
      if (!Accept(std::move(pull), take)) return true;
      if (pace_ == Pace::kEager) Pull();
    }
    return false;
  }
  const absl::Status& outcome() const { return outcome_; }

 private:
  template <typename Take>
  bool Accept(Started<std::optional<v1::EventBatch>> pull, Take take) {
    try {
      const std::optional<v1::EventBatch> batch = pull.Get();
      if (!batch) return false;
      take(*batch);
      next_ = batch->next_sequence();
      return true;
    } catch (const Cancelled&) {
      outcome_ = absl::CancelledError();
    } catch (const StatusError& error) {
      outcome_ = error.status();
    }
    return false;
  }

  const std::size_t job_;
  std::uint64_t next_;
  const Pace pace_;
  std::stop_source stop_;
  AsyncGenerator<v1::EventBatch> stream_;
  std::optional<Started<std::optional<v1::EventBatch>>> pull_;
  absl::Status outcome_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_WATCHER_H_
