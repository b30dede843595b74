#include "client/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"

#include "client/follow_job.h"
#include "client/job_state.h"
#include "client/reconnection.h"
#include "client/stream_reader.h"
#include "client/unary_call.h"
#include "pipeline/async/status_error.h"

namespace sluice {

namespace {

// `class`, since the generated code has a function of that name, too.
using JobStub = class v1::JobService::Stub::async;
using google::protobuf::util::TimeUtil;
using CatalogStub = class v1::CatalogService::Stub::async;

constexpr int kInitialReconnectMs = 100;
constexpr int kMaxReconnectMs = 1000;

// The longest that one WaitJob call takes; a longer wait is made of several.
constexpr Clock::Duration kLongestWaitCall = std::chrono::minutes(1);

std::shared_ptr<grpc::Channel> Connect(const std::string& address, const Client::Options& options) {
  grpc::ChannelArguments arguments;
  // Channels of one process share their connections otherwise, and with them their windows.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (options.read_ahead_bytes) {
    // Without the probe, which would widen the window as far as the network bears.
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, *options.read_ahead_bytes);
  }
  // gRPC waits for itself between attempts to connect, by default up to two minutes, and meanwhile
  // fails every call: a server that is back would not be found.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  return grpc::CreateCustomChannel(
      address, options.credentials ? options.credentials : grpc::InsecureChannelCredentials(),
      arguments);
}

template <typename Response>
AsyncGenerator<v1::EventBatch> Batches(AsyncGenerator<Response> responses) {
  while (auto response = co_await responses.Next()) {
    co_yield std::move(*response->mutable_batch());
  }
}

// What a response holds, by the accessor that releases it.
template <typename Response, typename Result>
Task<Result> Unwrap(Task<Response> call, Result* (Response::*content)()) {
  Response response = co_await std::move(call);
  co_return std::move(*(response.*content)());
}

template <typename Request>
Request Named(std::string name) {
  Request request;
  request.set_name(std::move(name));
  return request;
}

template <typename Request>
Request Named(std::string name, Client::IfMissing if_missing) {
  Request request = Named<Request>(std::move(name));
  request.set_allow_missing(if_missing == Client::IfMissing::kIgnore);
  return request;
}

// Calls WaitJob until the job has ended, or until `until`.
Task<v1::Job> WaitUntil(JobStub* stub, std::string name, Clock::TimePoint until, Executor* executor,
                        Clock* clock, CallOptions options) {
  internal::Reconnection reconnection(*executor, *clock, options);
  auto request = Named<v1::WaitJobRequest>(std::move(name));
  while (true) {
    const Clock::Duration left =
        std::clamp(until - clock->Now(), Clock::Duration::zero(), kLongestWaitCall);
    *request.mutable_timeout() = TimeUtil::NanosecondsToDuration(left.count());
    absl::Status failure;
    try {
      v1::WaitJobResponse response =
          co_await internal::CallUnary(stub, &JobStub::WaitJob, request, executor, options);
      reconnection.Succeeded();
      if (HasEnded(response.job()) || clock->Now() >= until) co_return response.job();
      continue;
    } catch (const Cancelled&) {
      failure = reconnection.FailureOfCancelled();
    } catch (const StatusError& error) {
      failure = error.status();
    }
    if (clock->Now() >= until) throw StatusError(std::move(failure));
    co_await reconnection.BeforeNextCall(std::move(failure));
  }
}

}  // namespace

Client::Client(const std::string& address, Executor& executor, const Options& options)
    : executor_(executor),
      own_clock_(options.clock == nullptr ? std::make_unique<SystemClock>() : nullptr),
      clock_(options.clock == nullptr ? *own_clock_ : *options.clock),
      channel_(Connect(address, options)),
      jobs_(v1::JobService::NewStub(channel_)),
      catalog_(v1::CatalogService::NewStub(channel_)) {}

Client::~Client() { calls_.WaitForNone(); }

AsyncGenerator<v1::EventBatch> Client::Run(v1::RunJobRequest request, CallOptions options) {
  v1::WatchJobRequest later;  // Named by the first message.
  *later.mutable_options() = request.options();
  return Follow(Batches(internal::ReadStream(jobs_->async(), &JobStub::RunJob, std::move(request),
                                             &calls_, &executor_, options)),
                std::move(later), options);
}

AsyncGenerator<v1::EventBatch> Client::Watch(v1::WatchJobRequest request, CallOptions options) {
  return Follow(OpenWatch(request, options), request, options);
}

AsyncGenerator<v1::EventBatch> Client::OpenWatch(v1::WatchJobRequest request, CallOptions options) {
  return Batches(internal::ReadStream(jobs_->async(), &JobStub::WatchJob, std::move(request),
                                      &calls_, &executor_, std::move(options)));
}

AsyncGenerator<v1::EventBatch> Client::Follow(AsyncGenerator<v1::EventBatch> source,
                                              v1::WatchJobRequest request, CallOptions options) {
  auto open = [this, options](v1::WatchJobRequest next) {
    return OpenWatch(std::move(next), options);
  };
  return internal::FollowJob(std::move(source), std::move(request), std::move(open), &executor_,
                             &clock_, std::move(options));
}

Task<v1::ListJobEventsResponse> Client::ListJobEvents(v1::ListJobEventsRequest request,
                                                      CallOptions options) {
  return internal::CallUnary(jobs_->async(), &JobStub::ListJobEvents, std::move(request),
                             &executor_, std::move(options));
}

AsyncGenerator<v1::StreamFilesResponse> Client::StreamFiles(v1::StreamFilesRequest request,
                                                            CallOptions options) {
  return internal::ReadStream(catalog_->async(), &CatalogStub::StreamFiles, std::move(request),
                              &calls_, &executor_, std::move(options));
}

AsyncGenerator<v1::StreamPlansResponse> Client::StreamPlans(v1::StreamPlansRequest request,
                                                            CallOptions options) {
  return internal::ReadStream(catalog_->async(), &CatalogStub::StreamPlans, std::move(request),
                              &calls_, &executor_, std::move(options));
}

Task<v1::Job> Client::StartJob(v1::StartJobRequest request, CallOptions options) {
  return Unwrap(internal::CallUnary(jobs_->async(), &JobStub::StartJob, std::move(request),
                                    &executor_, std::move(options)),
                &v1::StartJobResponse::mutable_job);
}

Task<v1::Job> Client::GetJob(std::string name, CallOptions options) {
  return Unwrap(internal::CallUnary(jobs_->async(), &JobStub::GetJob,
                                    Named<v1::GetJobRequest>(std::move(name)), &executor_,
                                    std::move(options)),
                &v1::GetJobResponse::mutable_job);
}

Task<v1::ListJobsResponse> Client::ListJobs(v1::ListJobsRequest request, CallOptions options) {
  return internal::CallUnary(jobs_->async(), &JobStub::ListJobs, std::move(request), &executor_,
                             std::move(options));
}

Task<v1::Job> Client::CancelJob(std::string name, CallOptions options) {
  return Unwrap(internal::CallUnary(jobs_->async(), &JobStub::CancelJob,
                                    Named<v1::CancelJobRequest>(std::move(name)), &executor_,
                                    std::move(options)),
                &v1::CancelJobResponse::mutable_job);
}

Task<v1::Job> Client::PauseJob(std::string name, CallOptions options) {
  return Unwrap(internal::CallUnary(jobs_->async(), &JobStub::PauseJob,
                                    Named<v1::PauseJobRequest>(std::move(name)), &executor_,
                                    std::move(options)),
                &v1::PauseJobResponse::mutable_job);
}

Task<v1::Job> Client::ResumeJob(std::string name, CallOptions options) {
  return Unwrap(internal::CallUnary(jobs_->async(), &JobStub::ResumeJob,
                                    Named<v1::ResumeJobRequest>(std::move(name)), &executor_,
                                    std::move(options)),
                &v1::ResumeJobResponse::mutable_job);
}

Task<v1::Job> Client::DeleteJob(std::string name, IfMissing if_missing, IfUndoable if_undoable,
                                CallOptions options) {
  auto request = Named<v1::DeleteJobRequest>(std::move(name), if_missing);
  request.set_discard_undo(if_undoable == IfUndoable::kDiscardUndo);
  return Unwrap(internal::CallUnary(jobs_->async(), &JobStub::DeleteJob, std::move(request),
                                    &executor_, std::move(options)),
                &v1::DeleteJobResponse::mutable_job);
}

Task<v1::Job> Client::WaitJob(std::string name, Clock::Duration timeout, CallOptions options) {
  const Clock::TimePoint now = clock_.Now();
  const Clock::TimePoint until =
      timeout < Clock::TimePoint::max() - now ? now + timeout : Clock::TimePoint::max();
  return WaitUntil(jobs_->async(), std::move(name), until, &executor_, &clock_, std::move(options));
}

Task<v1::Scan> Client::GetScan(std::string name, CallOptions options) {
  return Unwrap(internal::CallUnary(catalog_->async(), &CatalogStub::GetScan,
                                    Named<v1::GetScanRequest>(std::move(name)), &executor_,
                                    std::move(options)),
                &v1::GetScanResponse::mutable_scan);
}

Task<v1::Scan> Client::DeleteScan(std::string name, IfMissing if_missing, CallOptions options) {
  return Unwrap(internal::CallUnary(catalog_->async(), &CatalogStub::DeleteScan,
                                    Named<v1::DeleteScanRequest>(std::move(name), if_missing),
                                    &executor_, std::move(options)),
                &v1::DeleteScanResponse::mutable_scan);
}

Task<v1::ListScansResponse> Client::ListScans(v1::ListScansRequest request, CallOptions options) {
  return internal::CallUnary(catalog_->async(), &CatalogStub::ListScans, std::move(request),
                             &executor_, std::move(options));
}

Task<v1::GetServerInfoResponse> Client::GetServerInfo(CallOptions options) {
  return internal::CallUnary(jobs_->async(), &JobStub::GetServerInfo, v1::GetServerInfoRequest(),
                             &executor_, std::move(options));
}

}  // namespace sluice
