#include "server/rpc/job_service.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/fs/path_text.h"
#include "server/jobs/errors.h"
#include "server/jobs/event_stream.h"
#include "server/jobs/job_filter.h"
#include "server/jobs/job_lists.h"
#include "server/jobs/job_spec.h"
#include "server/jobs/wire.h"
#include "server/rpc/raw_messages.h"
#include "server/rpc/stream_reactor.h"
#include "server/rpc/unary_call.h"

namespace sluice {
namespace {

// A page of ListJobEvents is cut after the event that takes it beyond this.
constexpr std::size_t kPageBytes = 1024 * 1024;
constexpr Clock::Duration kDefaultWait = std::chrono::minutes(1);
constexpr Clock::Duration kLongestWait = std::chrono::hours(1);

struct StreamCall {
  JobManager& manager;
  CallRuntime& runtime;
  std::stop_token stop;

  EventStreamDeps Deps() const {
    return {.executor = runtime.executor(),
            .clock = runtime.clock(),
            .stop = stop,
            .draining = manager.draining()};
  }
};

// What a RunJob call wants done with its job when it ends before it. Nothing is done when it ends
// because the server drains: the job goes on with the next process.
class WhenDisconnected final {
 public:
  using Policy = v1::RunJobRequest::OnDisconnect;

  WhenDisconnected(StreamCall call, std::shared_ptr<Job> job, Policy policy)
      : call_(std::move(call)),
        job_(std::move(job)),
        policy_(policy),
        on_stop_(call_.stop, OnStop{this}) {}
  WhenDisconnected(const WhenDisconnected&) = delete;
  WhenDisconnected& operator=(const WhenDisconnected&) = delete;
  ~WhenDisconnected() { Apply(call_.manager, job_, policy_); }

 private:
  // At once when the call goes away, also while the stream waits for the client or the catalog; but
  // not on gRPC's thread, since it stores.
  struct OnStop {
    WhenDisconnected* owner;
    void operator()() const {
      owner->call_.runtime.Spawn(ApplyLater(owner->call_.manager, owner->job_, owner->policy_));
    }
  };

  static Task<> ApplyLater(JobManager& manager, std::shared_ptr<Job> job, Policy policy) {
    Apply(manager, job, policy);
    co_return;
  }

  // A failure leaves the job as it is: it waits for a consumer, and can be looked at.
  static void Apply(JobManager& manager, const std::shared_ptr<Job>& job, Policy policy) {
    if (manager.draining().stop_requested() || IsFinal(job->state())) return;
    if (policy == v1::RunJobRequest::ON_DISCONNECT_PAUSE) {
      (void)manager.Pause(job);
    } else if (policy != v1::RunJobRequest::ON_DISCONNECT_CONTINUE) {
      (void)manager.Cancel(job);
    }
  }

  const StreamCall call_;
  const std::shared_ptr<Job> job_;
  const Policy policy_;
  std::stop_callback<OnStop> on_stop_;
};

// The response that holds this batch.
template <typename Response>
grpc::ByteBuffer Wrap(std::string batch) {
  const grpc::Slice prefix(FieldPrefix(Response::kBatchFieldNumber, batch.size()));
  const std::array<grpc::Slice, 2> parts = {prefix, ToSlice(std::move(batch))};
  return {parts.data(), parts.size()};
}

// Throws ExpiredError unless the job has the event `first`, or may yet come to have it.
void CheckSequence(std::uint64_t first, Job& job) {
  const EventLog::Extent extent = job.log().extent();
  // One beyond the last is where a reader that has everything goes on.
  const bool beyond = extent.closed && first > extent.last + 1;
  if (beyond || first < extent.oldest) throw StatusError(ExpiredError(first, extent));
}

// The first event that a WatchJob call asks for.
std::uint64_t FirstSequence(const v1::WatchJobRequest& request, Job& job) {
  if (request.from_now()) return job.log().extent().last + 1;
  const std::uint64_t first = std::max<std::uint64_t>(1, request.start_sequence());
  CheckSequence(first, job);
  return first;
}

EventStreamOptions CheckedOptions(const v1::StreamOptions& options, FieldViolations violations) {
  EventStreamOptions result = StreamOptionsFromProto(options, violations);
  ThrowIfError(violations.ToStatus());
  return result;
}

AsyncGenerator<grpc::ByteBuffer> Watch(grpc::ByteBuffer bytes, StreamCall call) {
  const CallRuntime::StreamSlot slot = ValueOrThrow(call.runtime.AcquireStream());
  const auto request = ParseRequest<v1::WatchJobRequest>(bytes);
  FieldViolations violations;
  if (request.from_now() && request.start_sequence() != 0) {
    violations.Add("from_now", "excludes start_sequence");
  }
  const EventStreamOptions options = CheckedOptions(request.options(), std::move(violations));
  std::shared_ptr<Job> job = ValueOrThrow(call.manager.Find(request.name()));
  const std::uint64_t first = FirstSequence(request, *job);
  auto batches = EventStream(std::move(job), first, options, call.Deps());
  while (auto batch = co_await batches.Next()) {
    co_yield Wrap<v1::WatchJobResponse>(*std::move(batch));
  }
}

AsyncGenerator<grpc::ByteBuffer> Run(grpc::ByteBuffer bytes, StreamCall call) {
  const CallRuntime::StreamSlot slot = ValueOrThrow(call.runtime.AcquireStream());
  const auto request = ParseRequest<v1::RunJobRequest>(bytes);
  FieldViolations violations;
  if (!v1::RunJobRequest::OnDisconnect_IsValid(request.on_disconnect())) {
    violations.Add("on_disconnect", "must be a known OnDisconnect");
  }
  const EventStreamOptions options = CheckedOptions(request.options(), std::move(violations));
  v1::JobSpec spec = ValueOrThrow(
      CheckSpec(request.spec(), v1::PACING_PACED_BY_CONSUMER, call.manager.environment()));
  std::shared_ptr<Job> job =
      ValueOrThrow(call.manager.Start(std::move(spec), request.request_id()));
  const WhenDisconnected when_disconnected(call, job, request.on_disconnect());
  auto batches = EventStream(job, 1, options, call.Deps());
  while (auto batch = co_await batches.Next()) {
    co_yield Wrap<v1::RunJobResponse>(*std::move(batch));
  }
}

// Answers with the job that `change() -> absl::StatusOr<v1::Job>` gives.
template <typename Response, typename Change>
grpc::ServerUnaryReactor* AnswerWithJob(CallRuntime& runtime, grpc::CallbackServerContext* context,
                                        Response* response, Change change) {
  return Answer(runtime, context, [response, change = std::move(change)] {
    absl::StatusOr<v1::Job> job = change();
    if (job.ok()) response->mutable_job()->Swap(&*job);
    return job.status();
  });
}

// Events from `next` on, as many as are there and fit a page.
void AddPage(Job& job, std::uint64_t next, std::size_t limit, v1::ListJobEventsResponse& page) {
  CheckSequence(next, job);
  std::size_t bytes = 0;
  while (static_cast<std::size_t>(page.events_size()) < limit && bytes < kPageBytes) {
    const EventLog::Slice slice = ValueOrThrow(job.log().Read(next));
    if (slice.events.empty()) break;
    for (const EventRecord& record : slice.events) {
      if (static_cast<std::size_t>(page.events_size()) == limit || bytes >= kPageBytes) break;
      ThrowIfError(ToJobEvent(record, *page.add_events()));
      bytes += ApproximateSize(record);
      ++next;
    }
  }
  page.set_next_sequence(next);
  const EventLog::Extent extent = job.log().extent();
  page.set_end(extent.closed && next > extent.last);
}

Task<absl::Status> Wait(const v1::WaitJobRequest& request, v1::WaitJobResponse& response,
                        StreamCall call) {
  const std::int64_t timeout =
      request.has_timeout() ? FromDuration(request.timeout()) : kDefaultWait.count();
  if (timeout < 0 || timeout > kLongestWait.count()) {
    co_return FieldError("timeout", "must be 0 to 1 hour");
  }
  const auto job = call.manager.Find(request.name());
  if (!job.ok()) co_return job.status();
  co_await WaitForEnd(*job, call.runtime.clock().Now() + Clock::Duration(timeout), call.Deps());
  if (call.manager.draining().stop_requested()) co_return DrainingError();
  *response.mutable_job() = (*job)->Snapshot();
  co_return absl::OkStatus();
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* JobService::RunJob(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  auto* reactor = new StreamReactor<grpc::ByteBuffer>(runtime_);
  reactor->Start(Run(*request, {manager_, runtime_, reactor->stop_token()}));
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* JobService::WatchJob(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  auto* reactor = new StreamReactor<grpc::ByteBuffer>(runtime_);
  reactor->Start(Watch(*request, {manager_, runtime_, reactor->stop_token()}));
  return reactor;
}

grpc::ServerUnaryReactor* JobService::StartJob(grpc::CallbackServerContext* context,
                                               const v1::StartJobRequest* request,
                                               v1::StartJobResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    absl::StatusOr<v1::JobSpec> spec =
        CheckSpec(request->spec(), v1::PACING_FREE_RUNNING, manager_.environment());
    if (!spec.ok()) return spec.status();
    if (request->validate_only()) {
      if (absl::Status status = manager_.CheckBeside(*spec); !status.ok()) return status;
      *response->mutable_job()->mutable_spec() = *std::move(spec);
      return absl::OkStatus();
    }
    auto job = manager_.Start(*std::move(spec), request->request_id());
    if (job.ok()) *response->mutable_job() = (*job)->Snapshot();
    return job.status();
  });
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const v1::GetJobRequest* request,
                                             v1::GetJobResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    auto job = manager_.Find(request->name());
    if (job.ok()) *response->mutable_job() = (*job)->Snapshot();
    return job.status();
  });
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context,
                                               const v1::ListJobsRequest* request,
                                               v1::ListJobsResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    auto page = sluice::ListJobs(manager_.table(), request->page_size(), request->page_token(),
                                 request->filter());
    if (!page.ok()) return page.status();
    for (v1::Job& job : page->jobs) response->add_jobs()->Swap(&job);
    response->set_next_page_token(page->next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const v1::CancelJobRequest* request,
                                                v1::CancelJobResponse* response) {
  return AnswerWithJob(runtime_, context, response,
                       [this, request] { return manager_.Cancel(request->name()); });
}

grpc::ServerUnaryReactor* JobService::PauseJob(grpc::CallbackServerContext* context,
                                               const v1::PauseJobRequest* request,
                                               v1::PauseJobResponse* response) {
  return AnswerWithJob(runtime_, context, response,
                       [this, request] { return manager_.Pause(request->name()); });
}

grpc::ServerUnaryReactor* JobService::ResumeJob(grpc::CallbackServerContext* context,
                                                const v1::ResumeJobRequest* request,
                                                v1::ResumeJobResponse* response) {
  return AnswerWithJob(runtime_, context, response,
                       [this, request] { return manager_.Resume(request->name()); });
}

grpc::ServerUnaryReactor* JobService::DeleteJob(grpc::CallbackServerContext* context,
                                                const v1::DeleteJobRequest* request,
                                                v1::DeleteJobResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    absl::StatusOr<v1::Job> job = manager_.Delete(
        request->name(), request->discard_undo() ? IfUndoable::kDiscard : IfUndoable::kRefuse);
    if (job.ok()) {
      response->mutable_job()->Swap(&*job);
      retention_.Kick();
    } else if (request->allow_missing() && absl::IsNotFound(job.status())) {
      return absl::OkStatus();
    }
    return job.status();
  });
}

grpc::ServerUnaryReactor* JobService::ListJobEvents(grpc::CallbackServerContext* context,
                                                    const v1::ListJobEventsRequest* request,
                                                    v1::ListJobEventsResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    const std::size_t limit = ValueOrThrow(PageSize(request->page_size()));
    const std::shared_ptr<Job> job = ValueOrThrow(manager_.Find(request->name()));
    AddPage(*job, std::max<std::uint64_t>(1, request->start_sequence()), limit, *response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::WaitJob(grpc::CallbackServerContext* /*context*/,
                                              const v1::WaitJobRequest* request,
                                              v1::WaitJobResponse* response) {
  return AnswerLater(runtime_, [this, request, response](std::stop_token stop) {
    return Wait(*request, *response, {manager_, runtime_, std::move(stop)});
  });
}

grpc::ServerUnaryReactor* JobService::GetServerInfo(grpc::CallbackServerContext* context,
                                                    const v1::GetServerInfoRequest* /*request*/,
                                                    v1::GetServerInfoResponse* response) {
  return Answer(runtime_, context, [this, response] {
    response->set_version(SLUICE_VERSION);
    for (const JobKind& kind : JobKinds()) response->add_job_kinds(std::string(kind.name));
    for (const std::string& root : manager_.environment().roots.paths()) {
      response->add_allowed_roots(PrintablePath(root));
    }
    response->add_digest_algorithms(v1::DIGEST_ALGORITHM_SHA256);
    response->add_digest_algorithms(v1::DIGEST_ALGORITHM_BLAKE2B_256);
    response->add_digest_algorithms(v1::DIGEST_ALGORITHM_XXH3_128);
    response->set_max_running_jobs(static_cast<std::uint32_t>(manager_.limits().max_running_jobs));
    response->set_max_queued_jobs(static_cast<std::uint32_t>(manager_.limits().max_queued_jobs));
    response->set_max_streams(static_cast<std::uint32_t>(runtime_.max_streams()));
    response->set_host(manager_.environment().host);
    return absl::OkStatus();
  });
}

}  // namespace sluice
