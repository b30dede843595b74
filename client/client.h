#ifndef SLUICE_CLIENT_CLIENT_H_
#define SLUICE_CLIENT_CLIENT_H_

#include <memory>
#include <optional>
#include <string>

#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"

#include "client/call_options.h"
#include "client/live_calls.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "sluice/v1/catalog_service.grpc.pb.h"
#include "sluice/v1/job_service.grpc.pb.h"

namespace sluice {

// A connection to a Sluice server
// ===============================
//
// Streams come back as generators: what is not pulled is not read from the network, which in turn
// stops the server's disks. A job is followed like this:
//
//   ThreadPool executor(1);
//   Client client("unix:/run/sluice/sluiced.sock", executor);
//
//   v1::RunJobRequest request;
//   request.mutable_spec()->mutable_scan()->add_roots("/data");
//   AsyncGenerator<v1::EventBatch> batches = client.Run(request, {.stop = stop});
//   while (auto batch = co_await batches.Next()) {
//     for (const v1::JobEvent& event : batch->events()) Use(event);
//   }
//
// and, from a function that is no coroutine, SyncWait(client.GetJob("jobs/…")).
//
// Nothing is sent before a generator is pulled or a task awaited. The caller goes on on `executor`,
// never on a thread of gRPC.
//
// Errors: StatusError, whose status has the server's code and message; the details of it are read
// with client/error_details.h. The failure of a job is no error of the call: see EventBatch.end.
// Cancellation: CallOptions::stop ends a call with Cancelled; dropping a generator cancels its
// call. Thread-safe. Lifetime: outlives its generators and tasks, and its destruction waits until
// gRPC has let go of their calls; the executor outlives the client.
class Client final {
 public:
  struct Options {
    // Unset: plaintext.
    std::shared_ptr<grpc::ChannelCredentials> credentials = {};
    // How many bytes of a stream the network may hold that have not been pulled. Unset: gRPC
    // decides, up to about 4 MiB. It is kept as a bound of a few times 16 KiB, not to the byte.
    std::optional<int> read_ahead_bytes = {};
  };

  // `address` is "unix:/path.sock" or "HOST:PORT". Connects when first needed.
  Client(const std::string& address, Executor& executor) : Client(address, executor, Options()) {}
  Client(const std::string& address, Executor& executor, const Options& options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Starts a job and streams its events; by default the job goes at the pace of this stream, and
  // ends with it.
  AsyncGenerator<v1::EventBatch> Run(v1::RunJobRequest request, CallOptions options = {});
  // Streams the events of a job, from any sequence.
  AsyncGenerator<v1::EventBatch> Watch(v1::WatchJobRequest request, CallOptions options = {});

  AsyncGenerator<v1::StreamFilesResponse> StreamFiles(v1::StreamFilesRequest request,
                                                      CallOptions options = {});
  AsyncGenerator<v1::StreamPlansResponse> StreamPlans(v1::StreamPlansRequest request,
                                                      CallOptions options = {});

  Task<v1::Job> StartJob(v1::StartJobRequest request, CallOptions options = {});
  // `name` is "jobs/{id}".
  Task<v1::Job> GetJob(std::string name, CallOptions options = {});
  Task<v1::ListJobsResponse> ListJobs(v1::ListJobsRequest request, CallOptions options = {});
  Task<v1::Job> CancelJob(std::string name, CallOptions options = {});
  // `name` is "scans/{id}".
  Task<v1::Scan> GetScan(std::string name, CallOptions options = {});
  Task<v1::ListScansResponse> ListScans(v1::ListScansRequest request, CallOptions options = {});
  Task<v1::GetServerInfoResponse> GetServerInfo(CallOptions options = {});

 private:
  Executor& executor_;
  internal::LiveCalls calls_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::JobService::Stub> jobs_;
  const std::unique_ptr<v1::CatalogService::Stub> catalog_;
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_CLIENT_H_
