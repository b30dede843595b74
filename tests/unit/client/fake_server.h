#ifndef TESTS_UNIT_CLIENT_FAKE_SERVER_H_
#define TESTS_UNIT_CLIENT_FAKE_SERVER_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
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
#include "gtest/gtest.h"

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
  // What each WatchJob call plays; unset: `script`. Called by one thread at a time.
  std::function<Script(const v1::WatchJobRequest&)> watch_script;
  v1::Job job;  // What the calls that are about one job give, with the name that was asked for.
  grpc::Status unary_status;
  Seen seen;

  // Called with what is to be started, or only to be checked.
  std::function<void(const v1::JobSpec&)> on_run;
  std::function<void(const v1::StartJobRequest&)> on_start;

  grpc::ServerWriteReactor<v1::RunJobResponse>* RunJob(grpc::CallbackServerContext*,
                                                       const v1::RunJobRequest* request) override {
    seen.Count(&Seen::calls);
    if (on_run) on_run(request->spec());
    return new Stream<v1::RunJobResponse>(script, seen);
  }

  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext*, const v1::WatchJobRequest* request) override {
    seen.Count(&Seen::calls);
    std::lock_guard lock(mutex_);
    return new Stream<v1::WatchJobResponse>(watch_script ? watch_script(*request) : script, seen);
  }

  grpc::ServerUnaryReactor* StartJob(grpc::CallbackServerContext* context,
                                     const v1::StartJobRequest* request,
                                     v1::StartJobResponse* response) override {
    if (on_start) on_start(*request);
    return AnswerWithJob(context, "jobs/1", *response);
  }
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override {
    return AnswerWithJob(context, request->name(), *response);
  }
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest* request,
                                     v1::PauseJobResponse* response) override {
    return AnswerWithJob(context, request->name(), *response);
  }
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest* request,
                                      v1::ResumeJobResponse* response) override {
    return AnswerWithJob(context, request->name(), *response);
  }
  // The job is there for those only who insist.
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      v1::DeleteJobResponse* response) override {
    if (on_delete) on_delete(*request);
    if (!request->allow_missing()) return AnswerWithJob(context, request->name(), *response);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  std::function<void(const v1::DeleteJobRequest&)> on_delete;
  // Lets the time that it was asked to wait pass at once.
  grpc::ServerUnaryReactor* WaitJob(grpc::CallbackServerContext* context,
                                    const v1::WaitJobRequest* request,
                                    v1::WaitJobResponse* response) override {
    if (on_wait) on_wait(*request);
    return AnswerWithJob(context, request->name(), *response);
  }
  std::function<void(const v1::WaitJobRequest&)> on_wait;

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
  grpc::ServerUnaryReactor* AnswerWithJob(grpc::CallbackServerContext* context,
                                          const std::string& name, Response& response) {
    seen.Count(&Seen::calls);
    *response.mutable_job() = job;
    response.mutable_job()->set_name(name);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(unary_status);
    return reactor;
  }

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

  std::mutex mutex_;  // Guards the calling of watch_script.
};

// A gRPC server on a Unix socket of its own. It can go away and come back at the same address.
class FakeServer final {
 public:
  FakeServer() : directory_(std::filesystem::temp_directory_path() / "sluice-fake-XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    Start();
  }
  ~FakeServer() {
    Stop();
    std::filesystem::remove_all(directory_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string address() const { return "unix:" + directory_ + "/socket"; }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(&jobs);
    server_ = builder.BuildAndStart();
  }
  // Breaks the calls that are in progress.
  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  FakeJobService jobs;

 private:
  std::string directory_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sluice

#endif  // TESTS_UNIT_CLIENT_FAKE_SERVER_H_
