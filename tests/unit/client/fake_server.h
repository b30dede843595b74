#ifndef TESTS_UNIT_CLIENT_FAKE_SERVER_H_
#define TESTS_UNIT_CLIENT_FAKE_SERVER_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

#include "sluice/v1/catalog_service.grpc.pb.h"
#include "sluice/v1/job_service.grpc.pb.h"

namespace sluice {

// What the fake has seen, for tests to wait for. Thread-safe.
class Seen final {
 public:
  void Count(std::size_t Seen::* what) {
    std::lock_guard lock(mutex_);
    ++(this->*what);
    changed_.notify_all();
  }
  std::size_t Get(std::size_t Seen::* what) const {
    std::lock_guard lock(mutex_);
    return this->*what;
  }
  void WaitFor(std::size_t Seen::* what, std::size_t at_least) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return this->*what >= at_least; });
  }

  std::size_t calls = 0;
  std::size_t cancel_calls = 0;
  std::size_t writes = 0;  // That have passed flow control.
  std::size_t cancelled = 0;
  std::size_t ended = 0;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
};

// What a stream of the fake sends, and how it ends.
struct Script {
  std::vector<v1::EventBatch> batches;
  bool repeat = false;  // For ever.
  bool hang = false;    // After the batches: until it is cancelled.
  grpc::Status status;
};

// A JobService that plays a script, message by message as flow control lets it.
class FakeJobService final : public v1::JobService::CallbackService {
 public:
  Script script;
  v1::Job job;  // What GetJob gives, with the name that was asked for.
  grpc::Status unary_status;
  Seen seen;

  grpc::ServerWriteReactor<v1::RunJobResponse>* RunJob(grpc::CallbackServerContext*,
                                                       const v1::RunJobRequest*) override {
    seen.Count(&Seen::calls);
    return new Stream<v1::RunJobResponse>(script, seen);
  }

  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext*,
                                                           const v1::WatchJobRequest*) override {
    seen.Count(&Seen::calls);
    return new Stream<v1::WatchJobResponse>(script, seen);
  }

  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override {
    seen.Count(&Seen::calls);
    *response->mutable_job() = job;
    response->mutable_job()->set_name(request->name());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(unary_status);
    return reactor;
  }

  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override {
    seen.Count(&Seen::cancel_calls);
    response->mutable_job()->set_name(request->name());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  template <typename Response>
  class Stream final : public grpc::ServerWriteReactor<Response> {
   public:
    Stream(Script script, Seen& seen) : script_(std::move(script)), seen_(seen) { WriteNext(); }

   private:
    void WriteNext() {
      if (next_ < script_.batches.size()) {
        *response_.mutable_batch() = script_.batches[next_++];
        if (script_.repeat) next_ %= script_.batches.size();
        this->StartWrite(&response_);
      } else if (!script_.hang) {
        FinishOnce(script_.status);
      }
    }
    void OnWriteDone(bool ok) override {
      if (!ok) return FinishOnce(grpc::Status::CANCELLED);
      seen_.Count(&Seen::writes);
      WriteNext();
    }
    void OnCancel() override {
      seen_.Count(&Seen::cancelled);
      FinishOnce(grpc::Status::CANCELLED);
    }
    void OnDone() override {
      Seen& counters = seen_;
      delete this;
      counters.Count(&Seen::ended);
    }
    void FinishOnce(const grpc::Status& status) {
      std::call_once(finished_, [&] { this->Finish(status); });
    }

    const Script script_;
    Seen& seen_;
    std::size_t next_ = 0;
    Response response_;
    std::once_flag finished_;
  };
};

// A gRPC server on a free port of the loopback interface, for as long as it lives.
class FakeServer final {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&jobs);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~FakeServer() { server_->Shutdown(); }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  const std::string& address() const { return address_; }

  FakeJobService jobs;

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace sluice

#endif  // TESTS_UNIT_CLIENT_FAKE_SERVER_H_
