#include "client/error_details.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"

namespace sluice {

namespace {

// Where an absl::Status holds the serialized google.rpc.Status that it was made of.
constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";

// A year.
constexpr std::int64_t kLongestRetryDelaySeconds = 365LL * 24 * 3600;

std::string Line(const std::string& subject, const std::string& description) {
  if (subject.empty()) return description;
  return absl::StrCat(subject, ": ", description);
}

// The lines of one detail, if it is a `Detail`.
template <typename Detail, typename Describe>
bool DescribeIf(const google::protobuf::Any& any, const Describe& describe) {
  Detail detail;
  if (!any.Is<Detail>() || !any.UnpackTo(&detail)) return false;
  describe(detail);
  return true;
}

void AppendDetail(const google::protobuf::Any& any, std::vector<std::string>& lines) {
  DescribeIf<google::rpc::BadRequest>(
      any,
      [&](const auto& detail) {
        for (const auto& violation : detail.field_violations()) {
          lines.push_back(Line(violation.field(), violation.description()));
        }
      }) ||
      DescribeIf<google::rpc::PreconditionFailure>(
          any,
          [&](const auto& detail) {
            for (const auto& violation : detail.violations()) {
              lines.push_back(Line(violation.subject(), violation.description()));
            }
          }) ||
      DescribeIf<google::rpc::QuotaFailure>(
          any,
          [&](const auto& detail) {
            for (const auto& violation : detail.violations()) {
              lines.push_back(Line(violation.subject(), violation.description()));
            }
          }) ||
      DescribeIf<google::rpc::ResourceInfo>(
          any,
          [&](const auto& detail) {
            lines.push_back(Line(detail.resource_name(), detail.description()));
          }) ||
      DescribeIf<google::rpc::RetryInfo>(any, [&](const auto& detail) {
        const auto ms =
            google::protobuf::util::TimeUtil::DurationToMilliseconds(detail.retry_delay());
        lines.push_back(absl::StrCat("try again in ", static_cast<double>(ms) / 1000, " s"));
      });
}

// An empty one where there is none.
template <typename Detail>
Detail FirstDetail(const absl::Status& status) {
  const google::rpc::Status rpc_status = ToRpcStatus(status);
  Detail result;
  for (const google::protobuf::Any& detail : rpc_status.details()) {
    if (detail.Is<Detail>() && detail.UnpackTo(&result)) return result;
  }
  return Detail();
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // The codes of both are the same numbers.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const std::string details = status.error_details();
  // By string_view: Clang does not find Debian's GCC-built constructor from a moved string.
  if (!details.empty()) result.SetPayload(kPayloadUrl, absl::Cord(absl::string_view(details)));
  return result;
}

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status result;
  if (const auto payload = status.GetPayload(kPayloadUrl)) {
    if (!result.ParseFromString(std::string(*payload))) result.Clear();
  }
  result.set_code(static_cast<int>(status.code()));
  result.set_message(std::string(status.message()));
  return result;
}

std::vector<std::string> DescribeDetails(const google::rpc::Status& status) {
  std::vector<std::string> lines;
  for (const google::protobuf::Any& detail : status.details()) AppendDetail(detail, lines);
  return lines;
}

std::string DescribeError(const google::rpc::Status& status) {
  std::string text = status.message();
  if (text.empty()) {
    text = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.code()));
  }
  for (const std::string& line : DescribeDetails(status)) {
    const bool said = absl::StrContains(status.message(), line) ||
                      (!status.message().empty() && absl::EndsWith(line, status.message()));
    if (!said) absl::StrAppend(&text, "\n  ", line);
  }
  return text;
}

std::string DescribeError(const absl::Status& status) { return DescribeError(ToRpcStatus(status)); }

std::string ErrorReason(const absl::Status& status) {
  return FirstDetail<google::rpc::ErrorInfo>(status).reason();
}

std::chrono::nanoseconds RetryDelay(const absl::Status& status) {
  const auto delay = FirstDetail<google::rpc::RetryInfo>(status).retry_delay();
  // What somebody else sends: a negative one means none, and too long a one would overflow.
  if (delay.seconds() < 0 || delay.nanos() < 0) return std::chrono::nanoseconds(0);
  return std::chrono::seconds(std::min(delay.seconds(), kLongestRetryDelaySeconds)) +
         std::chrono::nanoseconds(delay.nanos());
}

}  // namespace sluice
