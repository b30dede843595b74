#ifndef SLUICE_SERVER_RPC_UNARY_CALL_H_
#define SLUICE_SERVER_RPC_UNARY_CALL_H_

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

}  // namespace internal

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
