#ifndef SLUICE_TESTS_BENCH_COMPARE_REPLAY_SERVER_H_
#define SLUICE_TESTS_BENCH_COMPARE_REPLAY_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "grpcpp/support/byte_buffer.h"

namespace sluice {

// A gRPC server that answers every call with the same messages, which are ready-made bytes: what a
// stream costs when its server has nothing to find out, to store or to serialize.
//
// Thread-safe. Lifetime: no call is in progress when it is destroyed.
class ReplayServer final : private grpc::CallbackGenericService {
 public:
  // `address` as gRPC takes it. REQUIRES: nothing listens there.
  ReplayServer(const std::string& address, std::vector<grpc::ByteBuffer> messages);

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

  const std::vector<grpc::ByteBuffer> messages_;
  const std::unique_ptr<grpc::Server> server_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_BENCH_COMPARE_REPLAY_SERVER_H_
