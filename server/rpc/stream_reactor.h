#ifndef SLUICE_SERVER_RPC_STREAM_REACTOR_H_
#define SLUICE_SERVER_RPC_STREAM_REACTOR_H_

#include <coroutine>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include <grpcpp/support/server_callback.h>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "server/rpc/call_runtime.h"
#include "server/rpc/grpc_status.h"

namespace sluice {

// The wire is one more stage
// ==========================
//
// Drains a generator into a server-streaming call. The next message is asked for when OnWriteDone
// says that the last one has passed the client's flow control, and at no other time: a client that
// stops reading stops the generator, and so all that is behind it.
//
//   auto* reactor = new StreamReactor<WatchJobResponse>(runtime);
//   reactor->Start(MakeResponses(..., reactor->stop_token()));
//   return reactor;
//
// 1. Only the draining coroutine calls StartWrite and Finish, and never two writes at a time.
// 2. OnCancel only requests a stop: it may run while OnWriteDone does.
// 3. The generator is gone before Finish, and nothing is touched after it: gRPC then calls OnDone,
//    which frees the reactor.
template <typename Response>
class StreamReactor final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit StreamReactor(CallRuntime& runtime) : runtime_(runtime) {}
  StreamReactor(const StreamReactor&) = delete;
  StreamReactor& operator=(const StreamReactor&) = delete;

  // Stopped when the call goes away.
  std::stop_token stop_token() const { return stop_source_.get_token(); }

  // Called once. The generator runs on the runtime's executor.
  void Start(AsyncGenerator<Response> messages) {
    runtime_.Spawn(Drain(*this, std::move(messages)));
  }

 private:
  // `co_await Write(message)`: true when the message has passed flow control, false when the call
  // is broken. `message` stays as it is until then.
  auto Write(const Response& message) {
    struct Awaiter {
      StreamReactor& reactor;
      const Response& message;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> writer) {
        reactor.writer_ = writer;
        reactor.StartWrite(&message);
      }
      bool await_resume() const noexcept { return reactor.write_ok_; }
    };
    return Awaiter{*this, message};
  }

  static Task<> Drain(StreamReactor& reactor, AsyncGenerator<Response> messages) {
    const absl::Status status = co_await WriteAll(reactor, std::move(messages));
    reactor.Finish(ToGrpcStatus(status));
  }

  static Task<absl::Status> WriteAll(StreamReactor& reactor, AsyncGenerator<Response> messages) {
    try {
      while (auto message = co_await messages.Next()) {
        if (!co_await reactor.Write(*message))
          co_return absl::CancelledError("the call was broken");
      }
    } catch (...) {
      co_return CurrentExceptionToStatus();
    }
    co_return absl::OkStatus();
  }

  void OnWriteDone(bool ok) override {
    write_ok_ = ok;
    runtime_.executor().Post(writer_);
  }
  void OnCancel() override { stop_source_.request_stop(); }
  void OnDone() override { delete this; }

  CallRuntime& runtime_;
  std::stop_source stop_source_;
  // Written before StartWrite, and by OnWriteDone before the coroutine is posted: never at once.
  std::coroutine_handle<> writer_;
  bool write_ok_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_STREAM_REACTOR_H_
