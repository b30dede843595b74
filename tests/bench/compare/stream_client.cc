// What the comparison needs a C++ client for, as else the command line's printing were measured:
//
//   stream_client scan ADDRESS ROOT...   a scan without digests, all events of which are read
//   stream_client files ADDRESS SCAN     all records of a scan from the catalog; beside it the same
//                                        messages from a server that has them ready-made
//
// Prints one JSON object; times are in seconds. `files` holds the messages of the scan in memory.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/client.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/bench/compare/replay_server.h"

namespace sluice {

namespace {

using Json = nlohmann::json;
using SteadyClock = std::chrono::steady_clock;

class Stopwatch final {
 public:
  double seconds() const {
    return std::chrono::duration<double>(SteadyClock::now() - start_).count();
  }

 private:
  const SteadyClock::time_point start_ = SteadyClock::now();
};

// REQUIRES: `client` outlives the task. The connection is there before the time runs.
Task<Json> ReadScan(Client* client, v1::RunJobRequest request) {
  co_await client->GetServerInfo();
  const Stopwatch watch;
  std::uint64_t events = 0;
  double first_event = 0;
  v1::EventBatch last;
  auto batches = client->Run(std::move(request));
  while (auto batch = co_await batches.Next()) {
    if (events == 0 && batch->events_size() > 0) first_event = watch.seconds();
    events += batch->events_size();
    if (batch->has_job()) *last.mutable_job() = std::move(*batch->mutable_job());
    if (batch->has_end()) *last.mutable_end() = std::move(*batch->mutable_end());
  }
  if (last.end().state() != v1::JOB_STATE_SUCCEEDED) {
    throw StatusError(absl::AbortedError("the scan did not succeed"));
  }
  Json figures;
  figures["scan"] = last.job().scan();
  figures["seconds"] = watch.seconds();
  figures["first_event"] = first_event;
  figures["events"] = events;
  co_return figures;
}

v1::StreamFilesRequest AllFilesOf(const std::string& scan) {
  v1::StreamFilesRequest request;
  request.set_scan(scan);
  return request;
}

// Every record of a scan: how many, and in what time.
Task<Json> ReadFiles(Client* client, std::string scan) {
  const Stopwatch watch;
  std::uint64_t records = 0;
  auto responses = client->StreamFiles(AllFilesOf(scan));
  while (auto response = co_await responses.Next()) records += response->files_size();
  Json figures;
  figures["records"] = records;
  figures["seconds"] = watch.seconds();
  co_return figures;
}

Task<std::vector<grpc::ByteBuffer>> MessagesOf(Client* client, std::string scan) {
  std::vector<grpc::ByteBuffer> messages;
  auto responses = client->StreamFiles(AllFilesOf(scan));
  while (auto response = co_await responses.Next()) {
    const grpc::Slice bytes(response->SerializeAsString());
    messages.emplace_back(&bytes, 1);
  }
  co_return messages;
}

// The same reading client at two servers: Sluice's, and one that only sends.
Json CompareFiles(const std::string& address, const std::string& scan, Executor& executor) {
  Client client(address, executor);
  std::vector<grpc::ByteBuffer> messages = SyncWait(MessagesOf(&client, scan));
  Json figures;
  figures["catalog"] = SyncWait(ReadFiles(&client, scan));

  const std::string socket = absl::StrCat("unix:/tmp/sluice-replay-", getpid(), ".sock");
  const ReplayServer server(socket, std::move(messages));
  Client replaying(socket, executor);
  figures["ready_made"] = SyncWait(ReadFiles(&replaying, scan));
  return figures;
}

int Main(const std::vector<std::string>& arguments) {
  ThreadPool executor(1);
  if (arguments.size() >= 3 && arguments[0] == "scan") {
    v1::RunJobRequest request;
    v1::ScanSpec& scan = *request.mutable_spec()->mutable_scan();
    for (std::size_t i = 2; i < arguments.size(); ++i) scan.add_roots(arguments[i]);
    scan.set_digest_policy(v1::DIGEST_POLICY_NONE);
    Client client(arguments[1], executor);
    std::cout << SyncWait(ReadScan(&client, std::move(request))) << "\n";
    return EXIT_SUCCESS;
  }
  if (arguments.size() == 3 && arguments[0] == "files") {
    std::cout << CompareFiles(arguments[1], arguments[2], executor) << "\n";
    return EXIT_SUCCESS;
  }
  std::cerr << "usage: stream_client scan ADDRESS ROOT... | files ADDRESS SCAN\n";
  return EXIT_FAILURE;
}

}  // namespace

}  // namespace sluice

int main(int argc, char** argv) {
  try {
    return sluice::Main({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "stream_client: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
