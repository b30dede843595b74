#include "client/follow_job.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "client/reconnection.h"
#include "pipeline/async/status_error.h"

namespace sluice::internal {

namespace {

std::uint64_t FirstSequence(const v1::WatchJobRequest& request) {
  if (request.from_now()) return 0;
  return std::max<std::uint64_t>(1, request.start_sequence());
}

// Makes of the last message of a server that goes away one that says nothing of it. False where
// nothing is left then.
bool HideDraining(v1::EventBatch& batch) {
  batch.clear_end();
  return batch.events_size() > 0 || batch.has_job() || batch.has_progress();
}

}  // namespace

absl::Status EventPosition::Advance(const v1::EventBatch& batch) {
  std::uint64_t next = next_;
  if (next == 0)
    next = batch.events_size() > 0 ? batch.events(0).sequence() : batch.next_sequence();
  for (const v1::JobEvent& event : batch.events()) {
    if (event.sequence() != next) {
      return absl::DataLossError(
          absl::StrCat("the server sent event ", event.sequence(), " where ", next, " was due"));
    }
    ++next;
  }
  if (batch.next_sequence() != next) {
    return absl::DataLossError(absl::StrCat("the server would go on with event ",
                                            batch.next_sequence(), " where ", next, " is due"));
  }
  next_ = next;
  return absl::OkStatus();
}

AsyncGenerator<v1::EventBatch> FollowJob(AsyncGenerator<v1::EventBatch> source,
                                         v1::WatchJobRequest request, OpenWatch open,
                                         Executor* executor, Clock* clock, CallOptions options) {
  const bool reconnects = options.reconnect_for > Clock::Duration::zero();
  EventPosition position(FirstSequence(request));
  Reconnection reconnection(*executor, *clock, std::move(options));
  while (true) {
    absl::Status failure;
    try {
      bool drained = false;
      while (auto batch = co_await source.Next()) {
        ThrowIfError(position.Advance(*batch));
        reconnection.Succeeded();
        if (batch->has_job()) request.set_name(batch->job().name());
        drained = reconnects && batch->end().reason() == v1::StreamEnd::REASON_DRAINING;
        if (!drained || HideDraining(*batch)) co_yield *std::move(batch);
      }
      if (!drained) co_return;
      failure = absl::UnavailableError("the server is being shut down");
    } catch (const Cancelled&) {
      failure = reconnection.FailureOfCancelled();
    } catch (const StatusError& error) {
      failure = error.status();
    }
    // Whether a job was started that nobody has named is not to be known.
    if (request.name().empty()) throw StatusError(std::move(failure));
    co_await reconnection.BeforeNextCall(std::move(failure));
    if (position.next() != 0) {
      request.clear_from_now();
      request.set_start_sequence(position.next());
    }
    source = open(request);
  }
}

}  // namespace sluice::internal
