#ifndef SLUICE_SERVER_RPC_CATALOG_SERVICE_H_
#define SLUICE_SERVER_RPC_CATALOG_SERVICE_H_

#include "server/jobs/job_manager.h"
#include "server/rpc/call_runtime.h"
#include "sluice/v1/catalog_service.grpc.pb.h"

namespace sluice {

// sluice.v1.CatalogService on the callback API.
// Thread-safe. Lifetime: the manager and the runtime outlive it and its calls.
class CatalogService final : public v1::CatalogService::CallbackService {
 public:
  CatalogService(JobManager& manager, CallRuntime& runtime)
      : manager_(manager), runtime_(runtime) {}

  grpc::ServerUnaryReactor* GetScan(grpc::CallbackServerContext* context,
                                    const v1::GetScanRequest* request,
                                    v1::GetScanResponse* response) override;
  grpc::ServerUnaryReactor* ListScans(grpc::CallbackServerContext* context,
                                      const v1::ListScansRequest* request,
                                      v1::ListScansResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamFilesResponse>* StreamFiles(
      grpc::CallbackServerContext* context, const v1::StreamFilesRequest* request) override;
  grpc::ServerWriteReactor<v1::StreamPlansResponse>* StreamPlans(
      grpc::CallbackServerContext* context, const v1::StreamPlansRequest* request) override;

 private:
  JobManager& manager_;
  CallRuntime& runtime_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_CATALOG_SERVICE_H_
