#include "client/client.h"

#include <utility>

#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"

#include "client/stream_reader.h"
#include "client/unary_call.h"

namespace sluice {

namespace {

// `class`, since the generated code has a function of that name, too.
using JobStub = class v1::JobService::Stub::async;
using CatalogStub = class v1::CatalogService::Stub::async;

std::shared_ptr<grpc::Channel> Connect(const std::string& address, const Client::Options& options) {
  grpc::ChannelArguments arguments;
  // Channels of one process share their connections otherwise, and with them their windows.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (options.read_ahead_bytes) {
    // Without the probe, which would widen the window as far as the network bears.
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, *options.read_ahead_bytes);
  }
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

}  // namespace

Client::Client(const std::string& address, Executor& executor, const Options& options)
    : executor_(executor),
      channel_(Connect(address, options)),
      jobs_(v1::JobService::NewStub(channel_)),
      catalog_(v1::CatalogService::NewStub(channel_)) {}

Client::~Client() { calls_.WaitForNone(); }

AsyncGenerator<v1::EventBatch> Client::Run(v1::RunJobRequest request, CallOptions options) {
  return Batches(internal::ReadStream(jobs_->async(), &JobStub::RunJob, std::move(request), &calls_,
                                      &executor_, std::move(options)));
}

AsyncGenerator<v1::EventBatch> Client::Watch(v1::WatchJobRequest request, CallOptions options) {
  return Batches(internal::ReadStream(jobs_->async(), &JobStub::WatchJob, std::move(request),
                                      &calls_, &executor_, std::move(options)));
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

Task<v1::Scan> Client::GetScan(std::string name, CallOptions options) {
  return Unwrap(internal::CallUnary(catalog_->async(), &CatalogStub::GetScan,
                                    Named<v1::GetScanRequest>(std::move(name)), &executor_,
                                    std::move(options)),
                &v1::GetScanResponse::mutable_scan);
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
