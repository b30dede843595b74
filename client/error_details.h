#ifndef SLUICE_CLIENT_ERROR_DETAILS_H_
#define SLUICE_CLIENT_ERROR_DETAILS_H_

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace sluice {

// What a server says about an error beyond its code and message
// =============================================================
//
// Errors travel as google.rpc.Status with typed details: which field is wrong, which limit was met,
// when to try again. The client library keeps them in the absl::Status that it throws:
//
//   try {
//     co_await client.StartJob(request);
//   } catch (const StatusError& error) {
//     std::cerr << DescribeError(error.status()) << "\n";
//     // The request is not valid
//     //   spec.scan.roots[0]: must be an absolute path
//     if (ErrorReason(error.status()) == "QUOTA_EXCEEDED") ...
//   }
//
// All are pure functions; details of types that this program does not know are passed over.

// Code, message and details of an answer.
absl::Status FromGrpcStatus(const grpc::Status& status);

// The same as a message; details as far as `status` came from FromGrpcStatus.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// One readable line for each thing that the details say: "spec.scan.roots[0]: must be absolute".
std::vector<std::string> DescribeDetails(const google::rpc::Status& status);

// The message, and below it, indented, those details that it does not already say.
std::string DescribeError(const google::rpc::Status& status);
std::string DescribeError(const absl::Status& status);

// The reason of its ErrorInfo ("ROOT_NOT_ALLOWED"); empty where it has none.
std::string ErrorReason(const absl::Status& status);

// How long its RetryInfo asks to wait before the next try; 0 where it has none.
std::chrono::nanoseconds RetryDelay(const absl::Status& status);

}  // namespace sluice

#endif  // SLUICE_CLIENT_ERROR_DETAILS_H_
