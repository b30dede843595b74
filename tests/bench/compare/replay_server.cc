#include "tests/bench/compare/replay_server.h"

#include <cstddef>
#include <utility>

#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace sluice {

namespace {

// One call: a write follows the other until all messages are sent, or the client is gone.
class Replay final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Replay(const std::vector<grpc::ByteBuffer>& messages) : messages_(messages) {
    SendNext();
  }

 private:
  void SendNext() {
    if (next_ == messages_.size()) return Finish(grpc::Status::OK);
    StartWrite(&messages_[next_++]);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    SendNext();
  }

  void OnDone() override { delete this; }

  const std::vector<grpc::ByteBuffer>& messages_;
  std::size_t next_ = 0;
};

std::unique_ptr<grpc::Server> Serve(const std::string& address,
                                    grpc::CallbackGenericService* service) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(service);
  return builder.BuildAndStart();
}

}  // namespace

ReplayServer::ReplayServer(const std::string& address, std::vector<grpc::ByteBuffer> messages)
    : messages_(std::move(messages)), server_(Serve(address, this)) {}

grpc::ServerGenericBidiReactor* ReplayServer::CreateReactor(
    grpc::GenericCallbackServerContext* /*context*/) {
  return new Replay(messages_);
}

}  // namespace sluice
