#include "server/jobs/job_filter.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "server/jobs/errors.h"
#include "server/jobs/job_id.h"
#include "server/jobs/job_kind.h"

namespace sluice {
namespace {

constexpr std::size_t kDefaultPageSize = 50;
constexpr std::size_t kMaxPageSize = 1000;

bool IsKind(std::string_view name) {
  return std::ranges::any_of(JobKinds(), [&](const JobKind& kind) { return kind.name == name; });
}

}  // namespace

absl::StatusOr<JobFilter> JobFilter::Parse(std::string_view text) {
  JobFilter filter;
  if (text.empty()) return filter;
  const std::vector<std::string> terms = absl::StrSplit(std::string(text), " AND ");
  for (const std::string& raw_term : terms) {
    const std::string term(absl::StripAsciiWhitespace(raw_term));
    const std::size_t equals = term.find('=');
    const std::string key = term.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : term.substr(equals + 1);
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    if (equals == std::string::npos) {
      return FieldError("filter", absl::StrCat("the term \"", absl::CHexEscape(term),
                                               "\" must have the form key=value"));
    }
    if (key == "state" && v1::JobState_Parse(absl::StrCat("JOB_STATE_", value), &state)) {
      filter.state_ = state;
    } else if (key == "kind" && IsKind(value)) {
      filter.kind_ = value;
    } else if (key.starts_with("labels.") && key.size() > std::string_view("labels.").size()) {
      filter.labels_[key.substr(std::string_view("labels.").size())] = value;
    } else {
      return FieldError("filter", absl::StrCat("the term \"", absl::CHexEscape(term),
                                               "\" must be state=STATE, kind=KIND or "
                                               "labels.KEY=VALUE, joined by AND"));
    }
  }
  return filter;
}

bool JobFilter::Matches(const v1::Job& job) const {
  if (state_ && job.state() != *state_) return false;
  return std::ranges::all_of(labels_, [&](const auto& label) {
    const auto found = job.spec().labels().find(label.first);
    return found != job.spec().labels().end() && found->second == label.second;
  });
}

absl::StatusOr<std::size_t> PageSize(int requested) {
  if (requested < 0) return FieldError("page_size", "must not be negative");
  if (requested == 0) return kDefaultPageSize;
  return std::min<std::size_t>(static_cast<std::size_t>(requested), kMaxPageSize);
}

std::string MakePageToken(std::string_view last_id, std::string_view list) {
  return absl::WebSafeBase64Escape(absl::StrCat(std::string(last_id), "|", std::string(list)));
}

absl::StatusOr<std::string> ParsePageToken(const std::string& token, std::string_view list) {
  if (token.empty()) return std::string();
  std::string text;
  const std::size_t bar =
      absl::WebSafeBase64Unescape(token, &text) ? text.find('|') : std::string::npos;
  if (bar == std::string::npos || !IsUuid(std::string_view(text).substr(0, bar)) ||
      std::string_view(text).substr(bar + 1) != list) {
    return FieldError("page_token", "must be the next_page_token of the same list");
  }
  return text.substr(0, bar);
}

}  // namespace sluice
