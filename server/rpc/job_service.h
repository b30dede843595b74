#ifndef SLUICE_SERVER_RPC_JOB_SERVICE_H_
#define SLUICE_SERVER_RPC_JOB_SERVICE_H_

#include "server/jobs/job_manager.h"
#include "server/jobs/retention.h"
#include "server/rpc/call_runtime.h"
#include "sluice/v1/job_service.grpc.pb.h"

namespace sluice {

// sluice.v1.JobService on the callback API: checks requests, and carries jobs to those who pull.
// Thread-safe. Lifetime: what it is made of outlives it and its calls.
class JobService final
    : public v1::JobService::WithRawCallbackMethod_RunJob<
          v1::JobService::WithRawCallbackMethod_WatchJob<v1::JobService::CallbackService>> {
 public:
  JobService(JobManager& manager, Retention& retention, CallRuntime& runtime)
      : manager_(manager), retention_(retention), runtime_(runtime) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* RunJob(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* StartJob(grpc::CallbackServerContext* context,
                                     const v1::StartJobRequest* request,
                                     v1::StartJobResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest* request,
                                     v1::PauseJobResponse* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest* request,
                                      v1::ResumeJobResponse* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      v1::DeleteJobResponse* response) override;
  grpc::ServerUnaryReactor* WaitJob(grpc::CallbackServerContext* context,
                                    const v1::WaitJobRequest* request,
                                    v1::WaitJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobEvents(grpc::CallbackServerContext* context,
                                          const v1::ListJobEventsRequest* request,
                                          v1::ListJobEventsResponse* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::GetServerInfoResponse* response) override;

 private:
  JobManager& manager_;
  Retention& retention_;
  CallRuntime& runtime_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_JOB_SERVICE_H_
