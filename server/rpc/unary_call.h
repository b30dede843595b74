#ifndef SLUICE_SERVER_RPC_UNARY_CALL_H_
#define SLUICE_SERVER_RPC_UNARY_CALL_H_

#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "server/rpc/call_runtime.h"
#include "server/rpc/grpc_status.h"

namespace sluice {

namespace internal {

template <typename Handler>
Task<> FinishWith(grpc::ServerUnaryReactor& reactor, Handler handler) {
  absl::Status status;
  try {
    status = handler();
  } catch (...) {
    status = CurrentExceptionToStatus();
  }
  reactor.Finish(ToGrpcStatus(status));
  co_return;
}

// A unary call whose answer may take long; a client that goes away stops it.
class StoppableUnaryCall final : public grpc::ServerUnaryReactor {
 public:
  std::stop_token stop_token() const { return stop_source_.get_token(); }

 private:
  void OnCancel() override { stop_source_.request_stop(); }
  void OnDone() override { delete this; }

  std::stop_source stop_source_;
};

inline Task<> FinishAfter(grpc::ServerUnaryReactor& reactor, Task<absl::Status> answer) {
  absl::Status status;
  try {
    // Freed before the call is finished: afterwards its request and response are gone.
    Task<absl::Status> owned = std::move(answer);
    status = co_await std::move(owned);
  } catch (...) {
    status = CurrentExceptionToStatus();
  }
  reactor.Finish(ToGrpcStatus(status));
}

}  // namespace internal

// Answers a unary call with what the task `handler(std::stop_token) -> Task<absl::Status>` comes
// to, which may wait: it holds no thread meanwhile. The token is stopped when the client goes away.
template <typename Handler>
grpc::ServerUnaryReactor* AnswerLater(CallRuntime& runtime, Handler handler) {
  auto* call = new internal::StoppableUnaryCall();
  runtime.Spawn(internal::FinishAfter(*call, handler(call->stop_token())));
  return call;
}

// Answers a unary call with what `handler() -> absl::Status` says. The handler may block: it runs
// on the runtime's executor, while request and response, which gRPC owns, are valid.
template <typename Handler>
grpc::ServerUnaryReactor* Answer(CallRuntime& runtime, grpc::CallbackServerContext* context,
                                 Handler handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  runtime.Spawn(internal::FinishWith(*reactor, std::move(handler)));
  return reactor;
}

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_UNARY_CALL_H_
