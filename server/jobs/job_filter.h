#ifndef SLUICE_SERVER_JOBS_JOB_FILTER_H_
#define SLUICE_SERVER_JOBS_JOB_FILTER_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "sluice/v1/job.pb.h"

namespace sluice {

// The filter of ListJobs: `state=RUNNING AND kind=scan AND labels.team=backup`.
class JobFilter final {
 public:
  // INVALID_ARGUMENT for the field "filter", saying which term is wrong.
  static absl::StatusOr<JobFilter> Parse(std::string_view text);

  bool Matches(const v1::Job& job) const;
  // The kind that is asked for; empty: any.
  const std::string& kind() const { return kind_; }

 private:
  std::optional<v1::JobState> state_;
  std::string kind_;
  std::map<std::string, std::string> labels_;
};

// Page sizes of lists: the default for 0, INVALID_ARGUMENT for what is negative; what is too large
// is cut to the maximum (AIP-158).
absl::StatusOr<std::size_t> PageSize(int requested);

// Page tokens are opaque to clients: the id that the last page ended with, and what it was asked
// with, so that a token is not taken for another list.
std::string MakePageToken(std::string_view last_id, std::string_view list);
absl::StatusOr<std::string> ParsePageToken(const std::string& token, std::string_view list);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_FILTER_H_
