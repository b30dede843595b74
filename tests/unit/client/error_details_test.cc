#include "client/error_details.h"

#include <chrono>
#include <cstdint>
#include <limits>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename Detail>
google::rpc::Status With(const std::string& message, const Detail& detail) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  status.set_message(message);
  status.add_details()->PackFrom(detail);
  return status;
}

google::rpc::BadRequest BadRoot() {
  google::rpc::BadRequest bad_request;
  google::rpc::BadRequest::FieldViolation& violation = *bad_request.add_field_violations();
  violation.set_field("spec.scan.roots[0]");
  violation.set_description("must be an absolute path");
  return bad_request;
}

TEST(ErrorDetails, FieldViolationsReadFieldAndDescription) {
  EXPECT_THAT(DescribeDetails(With("bad request", BadRoot())),
              ElementsAre("spec.scan.roots[0]: must be an absolute path"));
}

TEST(ErrorDetails, RetryInfoReadsInSeconds) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  EXPECT_THAT(DescribeDetails(With("busy", retry)), ElementsAre("try again in 1.5 s"));
}

absl::Status AskingFor(std::int64_t seconds, std::int32_t nanos) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(seconds);
  retry.mutable_retry_delay()->set_nanos(nanos);
  return FromGrpcStatus({grpc::StatusCode::UNAVAILABLE, "", With("", retry).SerializeAsString()});
}

TEST(ErrorDetails, RetryDelayIsWhatTheServerAsksForWithinReason) {
  using std::chrono::milliseconds;
  EXPECT_EQ(RetryDelay(AskingFor(1, 500'000'000)), milliseconds(1500));
  EXPECT_EQ(RetryDelay(absl::UnavailableError("")), milliseconds(0));
  EXPECT_EQ(RetryDelay(AskingFor(-1, 0)), milliseconds(0));
  EXPECT_GT(RetryDelay(AskingFor(std::numeric_limits<std::int64_t>::max(), 0)),
            std::chrono::hours(24));
}

TEST(ErrorDetails, ADetailOfAnUnknownTypeIsPassedOver) {
  google::rpc::Status status;
  status.add_details()->set_type_url("type.googleapis.com/some.Other");
  EXPECT_THAT(DescribeDetails(status), IsEmpty());
}

TEST(ErrorDetails, WhatTheMessageAlreadySaysIsNotSaidTwice) {
  const std::string message = "spec.scan.roots[0]: must be an absolute path";
  EXPECT_EQ(DescribeError(With(message, BadRoot())), message);
  EXPECT_EQ(DescribeError(With("must be an absolute path", BadRoot())), "must be an absolute path");
}

TEST(ErrorDetails, AStatusWithoutMessageIsDescribedByItsCode) {
  EXPECT_EQ(DescribeError(absl::UnavailableError("")), "UNAVAILABLE");
}

TEST(ErrorDetails, DetailsSurviveTheWayThroughAbslStatus) {
  google::rpc::ErrorInfo info;
  info.set_reason("ROOT_NOT_ALLOWED");
  const grpc::Status from_wire(grpc::StatusCode::PERMISSION_DENIED, "not allowed",
                               With("not allowed", info).SerializeAsString());
  const absl::Status status = FromGrpcStatus(from_wire);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrorReason(status), "ROOT_NOT_ALLOWED");
  EXPECT_EQ(ToRpcStatus(status).message(), "not allowed");
}

TEST(ErrorDetails, GarbageDetailsLeaveCodeAndMessage) {
  const grpc::Status from_wire(grpc::StatusCode::INTERNAL, "broken", "\xff\xff\xff");
  EXPECT_EQ(DescribeError(FromGrpcStatus(from_wire)), "broken");
}

}  // namespace
}  // namespace sluice
