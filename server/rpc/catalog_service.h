#ifndef SLUICE_SERVER_RPC_CATALOG_SERVICE_H_
#define SLUICE_SERVER_RPC_CATALOG_SERVICE_H_

#include "server/jobs/job_manager.h"
#include "server/jobs/retention.h"
#include "server/rpc/call_runtime.h"
#include "sluice/v1/catalog_service.grpc.pb.h"

namespace sluice {

// sluice.v1.CatalogService on the callback API.
// Thread-safe. Lifetime: what it is made of outlives it and its calls.
class CatalogService final : public v1::CatalogService::WithRawCallbackMethod_StreamFiles<
                                 v1::CatalogService::WithRawCallbackMethod_StreamPlans<
                                     v1::CatalogService::CallbackService>> {
 public:
  CatalogService(JobManager& manager, Retention& retention, CallRuntime& runtime)
      : manager_(manager), retention_(retention), runtime_(runtime) {}

  grpc::ServerUnaryReactor* GetScan(grpc::CallbackServerContext* context,
                                    const v1::GetScanRequest* request,
                                    v1::GetScanResponse* response) override;
  grpc::ServerUnaryReactor* ListScans(grpc::CallbackServerContext* context,
                                      const v1::ListScansRequest* request,
                                      v1::ListScansResponse* response) override;
  grpc::ServerUnaryReactor* DeleteScan(grpc::CallbackServerContext* context,
                                       const v1::DeleteScanRequest* request,
                                       v1::DeleteScanResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamFiles(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamPlans(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request) override;

 private:
  v1::Scan ScanOf(const v1::Job& job) const;

  JobManager& manager_;
  Retention& retention_;
  CallRuntime& runtime_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RPC_CATALOG_SERVICE_H_
