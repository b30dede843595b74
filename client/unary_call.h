#ifndef SLUICE_CLIENT_UNARY_CALL_H_
#define SLUICE_CLIENT_UNARY_CALL_H_

#include <coroutine>
#include <functional>
#include <stop_token>
#include <utility>

#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

#include "client/call_options.h"
#include "client/error_details.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"

namespace sluice::internal {

// One call that is awaited: suspends its coroutine until gRPC has the answer, and goes on on
// `executor`.
template <typename Async, typename Request, typename Response>
struct UnaryAwaiter {
  using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                 std::function<void(grpc::Status)>);

  Async* stub;
  Method method;
  grpc::ClientContext* context;
  const Request* request;
  Response* response;
  Executor* executor;
  grpc::Status status = {};

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    // The caller may run, and end, before the call below returns.
    (stub->*method)(context, request, response, [this, caller](grpc::Status answer) {
      status = std::move(answer);
      executor->Post(caller);
    });
  }
  grpc::Status await_resume() { return std::move(status); }
};

// A unary call as a task. `method` is a member of the generated stub's `async`.
// Errors: StatusError, or Cancelled when told to stop. Lifetime: stub and executor outlive the
// task.
template <typename Async, typename Request, typename Response>
Task<Response> CallUnary(Async* stub,
                         void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                               std::function<void(grpc::Status)>),
                         Request request, Executor* executor, CallOptions options) {
  ThrowIfStopRequested(options.stop);
  grpc::ClientContext context;
  if (options.deadline) context.set_deadline(*options.deadline);
  const std::stop_callback cancel_on_stop(options.stop, [&context] { context.TryCancel(); });
  Response response;
  const grpc::Status status = co_await UnaryAwaiter<Async, Request, Response>{
      stub, method, &context, &request, &response, executor};
  if (status.ok()) co_return response;
  ThrowIfStopRequested(options.stop);
  throw StatusError(FromGrpcStatus(status));
}

}  // namespace sluice::internal

#endif  // SLUICE_CLIENT_UNARY_CALL_H_
