// The calls that change jobs, over real gRPC: by the plain stub, as any other language would.

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "sluice/v1/catalog_service.grpc.pb.h"
#include "sluice/v1/job_service.grpc.pb.h"
#include "tests/integration/server_rig.h"

namespace sluice {
namespace {

class JobControl : public testing::Test {
 protected:
  template <typename Request, typename Response>
  using Method = grpc::Status (v1::JobService::Stub::*)(grpc::ClientContext*, const Request&,
                                                        Response*);

  // The status of a call that takes the job's name.
  template <typename Request, typename Response>
  grpc::Status Call(Method<Request, Response> method, const std::string& name, Response* response) {
    grpc::ClientContext context;
    Request request;
    request.set_name(name);
    return (*stub_.*method)(&context, request, response);
  }
  template <typename Request, typename Response>
  Response Must(Method<Request, Response> method, const std::string& name) {
    Response response;
    const grpc::Status status = Call(method, name, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // Hours of reading, without a byte on the disk.
  void WriteEndlessFile() {
    constexpr std::uintmax_t kBytes = std::uintmax_t{4} << 40;
    std::filesystem::resize_file(rig_.tree().Write("endless"), kBytes);
  }

  // Starts a scan by StartJob; its name.
  std::string StartScan(v1::DigestPolicy policy) {
    v1::StartJobRequest request;
    *request.mutable_spec() = rig_.ScanRequest(policy).spec();
    return SyncWait(rig_.client().StartJob(request)).name();
  }
  std::string EndedScan() {
    const std::string name = StartScan(v1::DIGEST_POLICY_NONE);
    rig_.AwaitState(name, v1::JOB_STATE_SUCCEEDED);
    return name;
  }

  ServerRig rig_;
  std::shared_ptr<grpc::Channel> channel_ =
      grpc::CreateChannel(rig_.address(), grpc::InsecureChannelCredentials());
  std::unique_ptr<v1::JobService::Stub> stub_ = v1::JobService::NewStub(channel_);
  std::unique_ptr<v1::CatalogService::Stub> catalog_ = v1::CatalogService::NewStub(channel_);
};

TEST_F(JobControl, PausedJobHoldsNothingAndGoesOnWhenResumed) {
  rig_.WriteFiles(100);
  WriteEndlessFile();
  const std::string name = StartScan(v1::DIGEST_POLICY_ALL);
  rig_.AwaitState(name, v1::JOB_STATE_RUNNING);
  Must(&v1::JobService::Stub::PauseJob, name);
  rig_.AwaitState(name, v1::JOB_STATE_PAUSED);
  std::filesystem::resize_file(rig_.tree().Path("endless"), 10);
  Must(&v1::JobService::Stub::ResumeJob, name);
  rig_.AwaitState(name, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(rig_.GetJob(name).counters().items(), 101U);
}

TEST_F(JobControl, RunJobThatAskedForItIsPausedWhenItsCallGoesAway) {
  rig_.WriteFiles(2000);
  v1::RunJobRequest request = rig_.ScanRequest();
  request.set_on_disconnect(v1::RunJobRequest::ON_DISCONNECT_PAUSE);
  request.mutable_spec()->set_window(10);
  std::string name;
  {
    auto stream = rig_.client().Run(request);
    name = PullOne(stream)->job().name();
  }
  rig_.AwaitState(name, v1::JOB_STATE_PAUSED);
}

TEST_F(JobControl, WaitJobReturnsAtTheEndOrAfterItsTimeout) {
  rig_.WriteFiles(10);
  const std::string ended = EndedScan();
  EXPECT_EQ(Must(&v1::JobService::Stub::WaitJob, ended).job().state(), v1::JOB_STATE_SUCCEEDED);

  WriteEndlessFile();
  const std::string name = StartScan(v1::DIGEST_POLICY_ALL);
  v1::WaitJobRequest request;
  request.set_name(name);
  request.mutable_timeout()->set_nanos(1'000'000);
  v1::WaitJobResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->WaitJob(&context, request, &response).ok());
  EXPECT_EQ(response.job().state(), v1::JOB_STATE_RUNNING);

  std::thread cancel([&] { Must(&v1::JobService::Stub::CancelJob, name); });
  EXPECT_EQ(Must(&v1::JobService::Stub::WaitJob, name).job().state(), v1::JOB_STATE_CANCELLED);
  cancel.join();
}

TEST_F(JobControl, WaitJobNamesATimeoutThatIsOutOfRange) {
  v1::WaitJobRequest request;
  request.set_name("jobs/00000000-0000-7000-8000-000000000000");
  request.mutable_timeout()->set_seconds(3601);
  v1::WaitJobResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub_->WaitJob(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobControl, PagesOfEventsAreThoseOfTheStream) {
  rig_.WriteFiles(100);
  const std::string name = EndedScan();
  v1::WatchJobRequest watch;
  watch.set_name(name);
  auto stream = rig_.client().Watch(watch);
  const std::vector<v1::JobEvent> streamed = EventsOf(PullAll(stream));

  std::vector<v1::JobEvent> paged;
  v1::ListJobEventsRequest request;
  request.set_name(name);
  request.set_page_size(30);
  v1::ListJobEventsResponse page;
  while (!page.end()) {
    page.Clear();
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->ListJobEvents(&context, request, &page).ok());
    ASSERT_LE(page.events_size(), 30);
    paged.insert(paged.end(), page.events().begin(), page.events().end());
    request.set_start_sequence(page.next_sequence());
  }
  ASSERT_EQ(paged.size(), streamed.size());
  for (std::size_t i = 0; i < paged.size(); ++i) {
    EXPECT_EQ(paged[i].SerializeAsString(), streamed[i].SerializeAsString());
  }
}

TEST_F(JobControl, DeletedJobAndItsScanAreGone) {
  rig_.WriteFiles(10);
  const std::string name = EndedScan();
  EXPECT_EQ(Must(&v1::JobService::Stub::DeleteJob, name).job().name(), name);
  v1::GetJobResponse job;
  EXPECT_EQ(Call(&v1::JobService::Stub::GetJob, name, &job).error_code(),
            grpc::StatusCode::NOT_FOUND);

  v1::DeleteJobRequest again;
  again.set_name(name);
  again.set_allow_missing(true);
  v1::DeleteJobResponse response;
  grpc::ClientContext context;
  EXPECT_TRUE(stub_->DeleteJob(&context, again, &response).ok());
  EXPECT_FALSE(response.has_job());
}

TEST_F(JobControl, DeletingAScanDeletesItsJob) {
  rig_.WriteFiles(10);
  const std::string name = EndedScan();
  v1::DeleteScanRequest request;
  request.set_name("scans" + name.substr(name.find('/')));
  v1::DeleteScanResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(catalog_->DeleteScan(&context, request, &response).ok());
  EXPECT_EQ(response.scan().file_count(), 10U);
  v1::GetJobResponse job;
  EXPECT_EQ(Call(&v1::JobService::Stub::GetJob, name, &job).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(JobControl, StateThatDoesNotAllowItIsAPreconditionFailure) {
  rig_.WriteFiles(10);
  const std::string name = EndedScan();
  v1::PauseJobResponse response;
  const grpc::Status status = Call(&v1::JobService::Stub::PauseJob, name, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::PreconditionFailure failure;
  ASSERT_TRUE(details.details(0).UnpackTo(&failure) || details.details(1).UnpackTo(&failure));
  EXPECT_EQ(failure.violations(0).type(), "JOB_STATE");
}

}  // namespace
}  // namespace sluice
