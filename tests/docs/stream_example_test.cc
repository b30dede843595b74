// A generator becomes a server stream.

#include <atomic>
#include <memory>
#include <stop_token>
#include <utility>

#include "gtest/gtest.h"
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "server/rpc/call_runtime.h"
#include "server/rpc/stream_reactor.h"
#include "sluice/v1/job_service.grpc.pb.h"

namespace sluice {
namespace {

// [StreamReactor]
AsyncGenerator<v1::WatchJobResponse> Responses(std::stop_token stop, std::atomic<int>& made) {
  while (true) {
    ThrowIfStopRequested(stop);
    v1::WatchJobResponse response;
    response.mutable_batch()->set_next_sequence(++made);
    co_yield std::move(response);
  }
}

class CountingService final : public v1::JobService::CallbackService {
 public:
  explicit CountingService(CallRuntime& runtime) : runtime_(runtime) {}

  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* /*context*/, const v1::WatchJobRequest* /*request*/) override {
    auto* reactor = new StreamReactor<v1::WatchJobResponse>(runtime_);
    reactor->Start(Responses(reactor->stop_token(), made_));
    return reactor;
  }

  int made() const { return made_; }

 private:
  CallRuntime& runtime_;
  std::atomic<int> made_ = 0;
};
// [/StreamReactor]

class StreamExample : public testing::Test {
 protected:
  ~StreamExample() override {
    server_->Shutdown();
    SyncWait(runtime_.Join());
  }

  ThreadPool pool_{1};
  SystemClock clock_;
  CallRuntime runtime_{pool_, clock_, 10};
  CountingService service_{runtime_};
  std::unique_ptr<grpc::Server> server_ =
      grpc::ServerBuilder().RegisterService(&service_).BuildAndStart();
};

TEST_F(StreamExample, WhatTheGeneratorYieldsArrivesInOrderUntilTheClientGoes) {
  const auto stub = v1::JobService::NewStub(server_->InProcessChannel({}));
  grpc::ClientContext context;
  const auto reader = stub->WatchJob(&context, {});
  v1::WatchJobResponse response;
  for (int i = 1; i <= 1'000; ++i) {
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.batch().next_sequence(), i);
  }
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_GE(service_.made(), 1'000);
}

}  // namespace
}  // namespace sluice
