#ifndef SLUICE_SERVER_JOBS_ERRORS_H_
#define SLUICE_SERVER_JOBS_ERRORS_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

// Errors with google.rpc details. A detail travels as a payload of the absl::Status, under its type
// URL, so that no code between the one that fails and the wire has to know of it.
namespace sluice {

inline constexpr std::string_view kErrorDomain = "sluice";

// How long a client should wait before it tries again what had no room.
inline constexpr int kRetryDelaySeconds = 1;

// Attaches a detail. A status holds at most one of each type.
void AttachDetail(absl::Status& status, const google::protobuf::Message& detail);

// A status with an ErrorInfo.
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       const std::map<std::string, std::string>& metadata = {});

// Collects what is wrong with a request, so that the caller learns of all of it at once.
class FieldViolations final {
 public:
  // `field` is the path to it ("spec.scan.roots[0]"), `description` says what would be right.
  void Add(std::string field, std::string description);
  bool empty() const { return violations_.empty(); }

  // OK, or INVALID_ARGUMENT with BadRequest.
  absl::Status ToStatus() const;

 private:
  std::vector<std::pair<std::string, std::string>> violations_;
};

// INVALID_ARGUMENT for one field.
absl::Status FieldError(std::string field, std::string description);

// NOT_FOUND + ResourceInfo. `type` is "job", "scan".
absl::Status NotFoundError(std::string_view type, std::string_view name);

// FAILED_PRECONDITION + PreconditionFailure.
absl::Status PreconditionError(std::string_view type, std::string_view subject,
                               std::string_view description,
                               const std::map<std::string, std::string>& metadata = {});

// RESOURCE_EXHAUSTED + QuotaFailure + RetryInfo. `subject` names the limit ("max_streams").
absl::Status QuotaError(std::string_view subject, std::string_view description);

// UNAVAILABLE + RetryInfo.
absl::Status DrainingError();

// A catalog's error as a client should see it: with an ErrorInfo, and a text without paths.
absl::Status CatalogError(const absl::Status& status);

// The same status as the message that goes on the wire, details included. A status without an
// ErrorInfo is given one, with the reason that its code is called.
google::rpc::Status ToWireStatus(const absl::Status& status);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_ERRORS_H_
