#ifndef SLUICE_SERVER_RPC_RAW_MESSAGES_H_
#define SLUICE_SERVER_RPC_RAW_MESSAGES_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "pipeline/async/status_error.h"

// Calls whose messages the server writes as bytes ("raw" methods of the generated code), since they
// are many: see server/jobs/wire.h. gRPC then hands over the request unparsed, too.
namespace sluice {

// Throws INVALID_ARGUMENT for bytes that are no such request.
template <typename Request>
Request ParseRequest(const grpc::ByteBuffer& bytes) {
  Request request;
  grpc::ByteBuffer unread = bytes;  // Shares the bytes; what is parsed is used up.
  if (!grpc::SerializationTraits<Request>::Deserialize(&unread, &request).ok()) {
    throw StatusError(absl::InvalidArgumentError("the request cannot be parsed"));
  }
  return request;
}

// The bytes as a part of a message, not copied.
inline grpc::Slice ToSlice(std::string bytes) {
  auto owned = std::make_unique<std::string>(std::move(bytes));
  const auto release = [](void* string) { delete static_cast<std::string*>(string); };
  std::string* const string = owned.release();
  return {string->data(), string->size(), release, string};
}

// A message that is made of these bytes.
inline grpc::ByteBuffer ToMessage(std::string bytes) {
  const grpc::Slice slice = ToSlice(std::move(bytes));
  return {&slice, 1};
}

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_RAW_MESSAGES_H_
