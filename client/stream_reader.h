#ifndef SLUICE_CLIENT_STREAM_READER_H_
#define SLUICE_CLIENT_STREAM_READER_H_

#include <cassert>
#include <coroutine>
#include <memory>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"

#include "client/call_options.h"
#include "client/error_details.h"
#include "client/live_calls.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"

namespace sluice::internal {

// A server-streaming call, turned round: from gRPC, which pushes, to a generator, which is pulled.
//
// Two problems. gRPC calls back on its own threads, where nothing may block: so every reaction only
// posts the consumer to its executor. And a call lives until OnDone, which may come long after the
// consumer has gone: so the call owns itself until then, and the consumer's end (StreamReader) is
// another owner.
//
// Invariants:
// 1. Between StartCall and the consumer's last word there is a hold, so OnDone cannot come before.
// 2. At most one read is in flight, and only while the consumer waits for it.
// 3. `waiting_` is written before the read is started or the hold removed, and read by the reaction
//    to that: gRPC orders the two, no lock is needed.
template <typename Request, typename Response>
class StreamCall final : public grpc::ClientReadReactor<Response> {
 public:
  template <typename Async>
  using Method = void (Async::*)(grpc::ClientContext*, const Request*,
                                 grpc::ClientReadReactor<Response>*);

  StreamCall(Request request, LiveCalls* calls, Executor* executor)
      : token_(*calls), request_(std::move(request)), executor_(*executor) {}

  template <typename Async>
  void Start(Async* stub, Method<Async> method, const CallOptions& options,
             std::shared_ptr<StreamCall> self) {
    self_ = std::move(self);
    if (options.deadline) context_.set_deadline(*options.deadline);
    (stub->*method)(&context_, &request_, this);
    this->AddHold();
    this->StartCall();
  }

  // Thread-safe.
  void Cancel() { context_.TryCancel(); }

  // `consumer` goes on when `message` is there, or when none will come.
  void ReadFor(std::coroutine_handle<> consumer, Response* message) {
    waiting_ = consumer;
    this->StartRead(message);  // The consumer may run, and end, before this returns.
  }
  bool has_read() const { return has_read_; }

  // `consumer` goes on when the status is there. Without one: nobody will ask.
  void ReleaseFor(std::coroutine_handle<> consumer) {
    waiting_ = consumer;
    this->RemoveHold();  // As above.
  }
  const grpc::Status& status() const { return status_; }

 private:
  void OnReadDone(bool ok) override {
    has_read_ = ok;
    executor_.Post(waiting_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<StreamCall> self = std::move(self_);
    status_ = status;
    if (waiting_) executor_.Post(waiting_);
  }

  const LiveCalls::Token token_;
  grpc::ClientContext context_;
  const Request request_;
  Executor& executor_;
  std::shared_ptr<StreamCall> self_;  // Until OnDone.
  std::coroutine_handle<> waiting_;
  bool has_read_ = false;
  grpc::Status status_;
};

// The consumer's end of a call. Destroyed before the end, it cancels the call and leaves it to
// gRPC, which frees it when it has let go of it: nothing waits. REQUIRES: no await is in progress.
template <typename Request, typename Response>
class StreamReader final {
 public:
  using Call = StreamCall<Request, Response>;

  template <typename Async>
  StreamReader(Async* stub, typename Call::template Method<Async> method, Request request,
               LiveCalls* calls, Executor* executor, const CallOptions& options)
      : call_(std::make_shared<Call>(std::move(request), calls, executor)) {
    call_->Start(stub, method, options, call_);
  }
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;
  ~StreamReader() {
    if (released_) return;
    call_->Cancel();
    call_->ReleaseFor(nullptr);
  }

  // Thread-safe.
  void Cancel() { call_->Cancel(); }

  // Awaited: true when `message` holds the next one, false when there is none.
  [[nodiscard]] auto Read(Response* message) {
    struct Awaiter {
      Call& call;
      Response* message;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> consumer) const {
        call.ReadFor(consumer, message);
      }
      bool await_resume() const noexcept { return call.has_read(); }
    };
    return Awaiter{*call_, message};
  }

  // Awaited: how the call ended. REQUIRES: Read gave false; once.
  [[nodiscard]] auto Finish() {
    struct Awaiter {
      Call& call;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> consumer) const { call.ReleaseFor(consumer); }
      absl::Status await_resume() const { return FromGrpcStatus(call.status()); }
    };
    assert(!released_ && "a stream was finished twice");
    released_ = true;
    return Awaiter{*call_};
  }

 private:
  std::shared_ptr<Call> call_;
  bool released_ = false;
};

// The messages of a server-streaming call. `method` is a member of the generated stub's `async`.
//
// Lazy: the call starts with the first pull, and a message is asked of gRPC only when it is pulled.
// The consumer goes on on `executor`. Dropping the generator cancels the call.
// Errors: ends with StatusError when the status is not OK, with Cancelled when told to stop before.
// Lifetime: stub, calls and executor outlive the generator, and `calls` is waited for.
template <typename Async, typename Request, typename Response>
AsyncGenerator<Response> ReadStream(Async* stub,
                                    void (Async::*method)(grpc::ClientContext*, const Request*,
                                                          grpc::ClientReadReactor<Response>*),
                                    Request request, LiveCalls* calls, Executor* executor,
                                    CallOptions options) {
  ThrowIfStopRequested(options.stop);
  StreamReader<Request, Response> reader(stub, method, std::move(request), calls, executor,
                                         options);
  const std::stop_callback cancel_on_stop(options.stop, [&reader] { reader.Cancel(); });
  Response message;
  while (co_await reader.Read(&message)) co_yield std::move(message);
  absl::Status status = co_await reader.Finish();
  if (status.ok()) co_return;
  ThrowIfStopRequested(options.stop);
  throw StatusError(std::move(status));
}

}  // namespace sluice::internal

#endif  // SLUICE_CLIENT_STREAM_READER_H_
