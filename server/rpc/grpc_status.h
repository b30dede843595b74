#ifndef SLUICE_SERVER_RPC_GRPC_STATUS_H_
#define SLUICE_SERVER_RPC_GRPC_STATUS_H_

#include "absl/status/status.h"
#include <grpcpp/support/status.h>

namespace sluice {

// The status of a call, with its google.rpc details in the trailing metadata. The texts are those
// that server/jobs made: INTERNAL says nothing of the inside.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_GRPC_STATUS_H_
