#include "server/rpc/job_service.h"

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
#include "server/rpc/stream_reactor.h"
#include "server/rpc/unary_call.h"

namespace sluice {
namespace {

// Cancels the job of a RunJob call that ends before the job does.
class CancelOnExit final {
 public:
  CancelOnExit(std::shared_ptr<Job> job, std::stop_token call_stopped)
      : job_(std::move(job)), on_stop_(std::move(call_stopped), RequestCancel{job_}) {}
  CancelOnExit(const CancelOnExit&) = delete;
  CancelOnExit& operator=(const CancelOnExit&) = delete;
  // Nothing happens to a job that has ended. When the server drains, the manager interrupts it.
  ~CancelOnExit() { job_->RequestCancel(); }

 private:
  struct RequestCancel {
    std::shared_ptr<Job> job;
    void operator()() const { job->RequestCancel(); }
  };
  std::shared_ptr<Job> job_;
  // At once when the call goes away, also while the stream waits for the client or the catalog.
  std::stop_callback<RequestCancel> on_stop_;
};

template <typename Response>
Response Wrap(v1::EventBatch batch) {
  Response response;
  response.mutable_batch()->Swap(&batch);
  return response;
}

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

// The first event that a WatchJob call asks for.
std::uint64_t FirstSequence(const v1::WatchJobRequest& request, Job& job) {
  const std::uint64_t last = job.log().last_sequence();
  if (request.from_now()) return last + 1;
  const std::uint64_t first = std::max<std::uint64_t>(1, request.start_sequence());
  // One beyond the last is where a reader that has everything goes on.
  if (job.log().closed() && first > last + 1) {
    throw StatusError(BeyondTheEndError(first, last));
  }
  return first;
}

EventStreamOptions CheckedOptions(const v1::StreamOptions& options, FieldViolations violations) {
  EventStreamOptions result = StreamOptionsFromProto(options, violations);
  ThrowIfError(violations.ToStatus());
  return result;
}

AsyncGenerator<v1::WatchJobResponse> Watch(v1::WatchJobRequest request, StreamCall call) {
  const CallRuntime::StreamSlot slot = ValueOrThrow(call.runtime.AcquireStream());
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

AsyncGenerator<v1::RunJobResponse> Run(v1::RunJobRequest request, StreamCall call) {
  const CallRuntime::StreamSlot slot = ValueOrThrow(call.runtime.AcquireStream());
  FieldViolations violations;
  if (!v1::RunJobRequest::OnDisconnect_IsValid(request.on_disconnect())) {
    violations.Add("on_disconnect", "must be a known OnDisconnect");
  }
  const EventStreamOptions options = CheckedOptions(request.options(), std::move(violations));
  v1::JobSpec spec = ValueOrThrow(call.manager.Check(request.spec(), v1::PACING_PACED_BY_CONSUMER));
  std::shared_ptr<Job> job =
      ValueOrThrow(call.manager.Start(std::move(spec), request.request_id()));
  std::optional<CancelOnExit> cancel_on_exit;
  if (request.on_disconnect() != v1::RunJobRequest::ON_DISCONNECT_CONTINUE) {
    cancel_on_exit.emplace(job, call.stop);
  }
  auto batches = EventStream(job, 1, options, call.Deps());
  while (auto batch = co_await batches.Next()) {
    co_yield Wrap<v1::RunJobResponse>(*std::move(batch));
  }
}

}  // namespace

grpc::ServerWriteReactor<v1::RunJobResponse>* JobService::RunJob(
    grpc::CallbackServerContext* /*context*/, const v1::RunJobRequest* request) {
  auto* reactor = new StreamReactor<v1::RunJobResponse>(runtime_);
  reactor->Start(Run(*request, {manager_, runtime_, reactor->stop_token()}));
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* JobService::WatchJob(
    grpc::CallbackServerContext* /*context*/, const v1::WatchJobRequest* request) {
  auto* reactor = new StreamReactor<v1::WatchJobResponse>(runtime_);
  reactor->Start(Watch(*request, {manager_, runtime_, reactor->stop_token()}));
  return reactor;
}

grpc::ServerUnaryReactor* JobService::StartJob(grpc::CallbackServerContext* context,
                                               const v1::StartJobRequest* request,
                                               v1::StartJobResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    absl::StatusOr<v1::JobSpec> spec = manager_.Check(request->spec(), v1::PACING_FREE_RUNNING);
    if (!spec.ok()) return spec.status();
    if (request->validate_only()) {
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
    auto page = manager_.List(request->page_size(), request->page_token(), request->filter());
    if (!page.ok()) return page.status();
    for (v1::Job& job : page->jobs) response->add_jobs()->Swap(&job);
    response->set_next_page_token(page->next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const v1::CancelJobRequest* request,
                                                v1::CancelJobResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    absl::StatusOr<v1::Job> job = manager_.Cancel(request->name());
    if (job.ok()) response->mutable_job()->Swap(&*job);
    return job.status();
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
    response->set_max_streams(static_cast<std::uint32_t>(runtime_.max_streams()));
    response->set_host(manager_.environment().host);
    return absl::OkStatus();
  });
}

}  // namespace sluice
