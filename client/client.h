#ifndef SLUICE_CLIENT_CLIENT_H_
#define SLUICE_CLIENT_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"

#include "client/call_options.h"
#include "client/live_calls.h"
#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
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
// A job outlives its server's process, and so do Watch, Run and WaitJob: where the server is
// UNAVAILABLE (it restarts, drains, or the network breaks) they call again, with growing waits,
// for CallOptions::reconnect_for. The loop above then gets every event once, in its order; all it
// may see is one more EventBatch.job, and that next_sequence did not move meanwhile. Only the wait
// for the first connection is Watch's and WaitJob's alone: whether a Run that got no answer has
// started a job is not to be known, so that is its caller's to repeat (with a request_id).
//
// Errors: StatusError, whose status has the server's code and message; the details of it are read
// with client/error_details.h. The failure of a job is no error of the call: see EventBatch.end.
// DATA_LOSS: the server repeated or left out an event.
// Cancellation: CallOptions::stop ends a call with Cancelled; dropping a generator cancels its
// call. Thread-safe. Lifetime: outlives its generators and tasks, and its destruction waits until
// gRPC has let go of their calls; executor and clock outlive the client.
class Client final {
 public:
  struct Options {
    // Unset: plaintext.
    std::shared_ptr<grpc::ChannelCredentials> credentials = {};
    // How many bytes of a stream the network may hold that have not been pulled. Unset: gRPC
    // decides, up to about 4 MiB. It is kept as a bound of a few times 16 KiB, not to the byte.
    std::optional<int> read_ahead_bytes = {};
    // What the waits between calls are measured by. Unset: one of the client's own.
    Clock* clock = nullptr;
  };
  // Whether deleting what does not exist is an error.
  enum class IfMissing : std::uint8_t { kFail, kIgnore };
  // What becomes of an apply job that can still be undone, and of what that would take.
  enum class IfUndoable : std::uint8_t { kFail, kDiscardUndo };

  // `address` is "unix:/path.sock" or "HOST:PORT". Connects when first needed.
  Client(const std::string& address, Executor& executor) : Client(address, executor, Options()) {}
  Client(const std::string& address, Executor& executor, const Options& options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Starts a job and streams its events; by default the job goes at the pace of this stream, and
  // ends with it. When it calls again it is as Watch of that job. A restart of the server is no
  // disconnect: request.on_disconnect is for calls that end while the server runs, and a job that
  // was cancelled or paused by a network that broke then ends, or stays paused, in this stream.
  AsyncGenerator<v1::EventBatch> Run(v1::RunJobRequest request, CallOptions options = {});
  // Streams the events of a job, from any sequence.
  AsyncGenerator<v1::EventBatch> Watch(v1::WatchJobRequest request, CallOptions options = {});
  // The same events in pages, without waiting for events to come.
  Task<v1::ListJobEventsResponse> ListJobEvents(v1::ListJobEventsRequest request,
                                                CallOptions options = {});

  AsyncGenerator<v1::StreamFilesResponse> StreamFiles(v1::StreamFilesRequest request,
                                                      CallOptions options = {});
  AsyncGenerator<v1::StreamPlansResponse> StreamPlans(v1::StreamPlansRequest request,
                                                      CallOptions options = {});

  Task<v1::Job> StartJob(v1::StartJobRequest request, CallOptions options = {});
  // `name` is "jobs/{id}".
  Task<v1::Job> GetJob(std::string name, CallOptions options = {});
  Task<v1::ListJobsResponse> ListJobs(v1::ListJobsRequest request, CallOptions options = {});
  Task<v1::Job> CancelJob(std::string name, CallOptions options = {});
  Task<v1::Job> PauseJob(std::string name, CallOptions options = {});
  Task<v1::Job> ResumeJob(std::string name, CallOptions options = {});
  // Gives the job as it was; one without a name where there was none.
  Task<v1::Job> DeleteJob(std::string name, IfMissing if_missing,
                          IfUndoable if_undoable = IfUndoable::kFail, CallOptions options = {});
  // The job when it has ended, or as it is after `timeout`, however long that is. A server that is
  // away by then is an error.
  Task<v1::Job> WaitJob(std::string name, Clock::Duration timeout, CallOptions options = {});
  // `name` is "scans/{id}".
  Task<v1::Scan> GetScan(std::string name, CallOptions options = {});
  // As DeleteJob.
  Task<v1::Scan> DeleteScan(std::string name, IfMissing if_missing, CallOptions options = {});
  Task<v1::ListScansResponse> ListScans(v1::ListScansRequest request, CallOptions options = {});
  Task<v1::GetServerInfoResponse> GetServerInfo(CallOptions options = {});

 private:
  AsyncGenerator<v1::EventBatch> OpenWatch(v1::WatchJobRequest request, CallOptions options);
  // Goes on with what `source` begins when its connection breaks.
  AsyncGenerator<v1::EventBatch> Follow(AsyncGenerator<v1::EventBatch> source,
                                        v1::WatchJobRequest request, CallOptions options);

  Executor& executor_;
  const std::unique_ptr<Clock> own_clock_;  // Null where another one was given.
  Clock& clock_;
  internal::LiveCalls calls_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::JobService::Stub> jobs_;
  const std::unique_ptr<v1::CatalogService::Stub> catalog_;
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_CLIENT_H_
