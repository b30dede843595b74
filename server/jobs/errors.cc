#include "server/jobs/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

constexpr std::string_view kTypeUrlPrefix = "type.googleapis.com/";

template <typename Detail>
std::string TypeUrl() {
  return absl::StrCat(std::string(kTypeUrlPrefix), Detail::descriptor()->full_name());
}

google::rpc::RetryInfo RetrySoon() {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(kRetryDelaySeconds);
  return retry;
}

google::rpc::ErrorInfo MakeErrorInfo(std::string_view reason,
                                     const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(std::string(kErrorDomain));
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  return info;
}

}  // namespace

void AttachDetail(absl::Status& status, const google::protobuf::Message& detail) {
  const std::string bytes = detail.SerializeAsString();
  // By view: the constructor from std::string&& is in the distribution's library under a name that
  // Clang mangles differently.
  status.SetPayload(absl::StrCat(std::string(kTypeUrlPrefix), detail.GetDescriptor()->full_name()),
                    absl::Cord(absl::string_view(bytes)));
}

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       const std::map<std::string, std::string>& metadata) {
  absl::Status status(code, std::string(message));
  AttachDetail(status, MakeErrorInfo(reason, metadata));
  return status;
}

void FieldViolations::Add(std::string field, std::string description) {
  violations_.emplace_back(std::move(field), std::move(description));
}

absl::Status FieldViolations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  google::rpc::BadRequest detail;
  std::string message;
  for (const auto& [field, description] : violations_) {
    google::rpc::BadRequest::FieldViolation& violation = *detail.add_field_violations();
    violation.set_field(field);
    violation.set_description(description);
    absl::StrAppend(&message, message.empty() ? "" : "; ", field, ": ", description);
  }
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", message);
  AttachDetail(status, detail);
  return status;
}

absl::Status FieldError(std::string field, std::string description) {
  FieldViolations violations;
  violations.Add(std::move(field), std::move(description));
  return violations.ToStatus();
}

absl::Status NotFoundError(std::string_view type, std::string_view name) {
  const std::string text =
      absl::StrCat(std::string(type), " \"", std::string(name), "\" does not exist");
  absl::Status status = MakeError(absl::StatusCode::kNotFound, "NOT_FOUND", text);
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(std::string(type));
  resource.set_resource_name(std::string(name));
  resource.set_description(text);
  AttachDetail(status, resource);
  return status;
}

absl::Status PreconditionError(std::string_view type, std::string_view subject,
                               std::string_view description,
                               const std::map<std::string, std::string>& metadata) {
  absl::Status status =
      MakeError(absl::StatusCode::kFailedPrecondition, type, description, metadata);
  google::rpc::PreconditionFailure detail;
  google::rpc::PreconditionFailure::Violation& violation = *detail.add_violations();
  violation.set_type(std::string(type));
  violation.set_subject(std::string(subject));
  violation.set_description(std::string(description));
  AttachDetail(status, detail);
  return status;
}

absl::Status QuotaError(std::string_view subject, std::string_view description) {
  absl::Status status =
      MakeError(absl::StatusCode::kResourceExhausted, "QUOTA_EXCEEDED", description);
  google::rpc::QuotaFailure detail;
  google::rpc::QuotaFailure::Violation& violation = *detail.add_violations();
  violation.set_subject(std::string(subject));
  violation.set_description(std::string(description));
  AttachDetail(status, detail);
  AttachDetail(status, RetrySoon());
  return status;
}

absl::Status DrainingError() {
  absl::Status status = MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                                  "the server is being shut down; try again");
  AttachDetail(status, RetrySoon());
  return status;
}

absl::Status CatalogError(const absl::Status& status) {
  if (status.ok() || status.code() == absl::StatusCode::kCancelled) return status;
  return MakeError(status.code(), absl::StrCat("CATALOG_", absl::StatusCodeToString(status.code())),
                   absl::StrCat("catalog: ", status.message()));
}

google::rpc::Status ToWireStatus(const absl::Status& status) {
  google::rpc::Status result;
  result.set_code(static_cast<int>(status.code()));
  result.set_message(std::string(status.message()));
  if (status.ok()) return result;
  if (!status.GetPayload(TypeUrl<google::rpc::ErrorInfo>())) {
    result.add_details()->PackFrom(MakeErrorInfo(absl::StatusCodeToString(status.code()), {}));
  }
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    google::protobuf::Any& detail = *result.add_details();
    detail.set_type_url(std::string(type_url));
    detail.set_value(std::string(payload));
  });
  return result;
}

}  // namespace sluice
