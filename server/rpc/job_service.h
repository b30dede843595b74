#ifndef SLUICE_SERVER_RPC_JOB_SERVICE_H_
#define SLUICE_SERVER_RPC_JOB_SERVICE_H_

#include "server/jobs/job_manager.h"
#include "server/rpc/call_runtime.h"
#include "sluice/v1/job_service.grpc.pb.h"

namespace sluice {

// sluice.v1.JobService on the callback API: checks requests, and carries jobs to those who pull.
// Thread-safe. Lifetime: the manager and the runtime outlive it and its calls.
class JobService final : public v1::JobService::CallbackService {
 public:
  JobService(JobManager& manager, CallRuntime& runtime) : manager_(manager), runtime_(runtime) {}

  grpc::ServerWriteReactor<v1::RunJobResponse>* RunJob(grpc::CallbackServerContext* context,
                                                       const v1::RunJobRequest* request) override;
  grpc::ServerUnaryReactor* StartJob(grpc::CallbackServerContext* context,
                                     const v1::StartJobRequest* request,
                                     v1::StartJobResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::GetServerInfoResponse* response) override;

 private:
  JobManager& manager_;
  CallRuntime& runtime_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_JOB_SERVICE_H_
