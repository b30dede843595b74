#ifndef SLUICE_TESTS_INTEGRATION_SERVER_RIG_H_
#define SLUICE_TESTS_INTEGRATION_SERVER_RIG_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "client/client.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "server/ops/server.h"
#include "tests/unit/catalog/fixture.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {

// A whole server on a Unix socket, in this process, and a client of it: real gRPC between them.
class ServerRig {
 public:
  explicit ServerRig(Config config = {}) {
    address_ = absl::StrCat("unix:", data_.path(), "/s");
    config.listen = {address_};
    config.data_dir = data_.path();
    config.allow_root = {tree_.root()};
    config.grace_seconds = 5;
    server_ = Value(Server::Start(config));
    client_.emplace(address_, executor_, Client::Options{.read_ahead_bytes = kReadAhead});
  }
  ServerRig(const ServerRig&) = delete;
  ServerRig& operator=(const ServerRig&) = delete;

  TempTree& tree() { return tree_; }
  Server& server() { return *server_; }
  Client& client() { return *client_; }
  const std::string& address() const { return address_; }

  v1::RunJobRequest ScanRequest(v1::DigestPolicy policy = v1::DIGEST_POLICY_NONE) const {
    v1::RunJobRequest request;
    v1::ScanSpec& scan = *request.mutable_spec()->mutable_scan();
    scan.add_roots(tree_.root());
    scan.set_digest_policy(policy);
    return request;
  }
  void WriteFiles(int count) const {
    for (int i = 0; i < count; ++i) {
      tree_.Write(absl::StrCat("d", i % 10, "/f", i), absl::StrCat("content ", i / 2));
    }
  }

  v1::Job GetJob(const std::string& name) { return SyncWait(client_->GetJob(name)); }
  // Asks until the job is in this state; the test's timeout is the limit.
  v1::Job AwaitState(const std::string& name, v1::JobState state) {
    while (true) {
      v1::Job job = GetJob(name);
      if (job.state() == state) return job;
    }
  }

  static constexpr int kReadAhead = 16 * 1024;

 private:
  TempTree tree_;
  TempDirectory data_;
  std::string address_;
  ThreadPool executor_{1};
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

template <typename T>
std::optional<T> PullOne(AsyncGenerator<T>& stream) {
  struct Pull {
    static Task<std::optional<T>> Next(AsyncGenerator<T>& from) { co_return co_await from.Next(); }
  };
  return SyncWait(Pull::Next(stream));
}

// All that is left of a stream.
template <typename T>
std::vector<T> PullAll(AsyncGenerator<T>& stream) {
  std::vector<T> items;
  while (auto item = PullOne(stream)) items.push_back(*std::move(item));
  return items;
}

inline std::vector<v1::JobEvent> EventsOf(const std::vector<v1::EventBatch>& batches) {
  std::vector<v1::JobEvent> events;
  for (const v1::EventBatch& batch : batches) {
    events.insert(events.end(), batch.events().begin(), batch.events().end());
  }
  return events;
}

}  // namespace sluice

#endif  // SLUICE_TESTS_INTEGRATION_SERVER_RIG_H_
