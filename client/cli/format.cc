#include "client/cli/format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace sluice::cli {

std::string Grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string Counted(std::uint64_t number, const std::string& singular, const std::string& plural) {
  return absl::StrCat(Grouped(number), " ", number == 1 ? singular : plural);
}

std::string HumanBytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return absl::StrCat(Grouped(bytes), " B");
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.5 and more would be rounded to a fourth digit.
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.*f %s", value < 9.95 ? 1 : 0, value, kUnits[unit]);
}

std::string HumanAndExactBytes(std::uint64_t bytes) {
  if (bytes < 1024) return Counted(bytes, "byte", "bytes");
  return absl::StrCat(HumanBytes(bytes), " (", Grouped(bytes), " bytes)");
}

std::string HumanDuration(const google::protobuf::Duration& duration) {
  const std::int64_t seconds = duration.seconds();
  if (seconds < 10) {
    return absl::StrFormat("%.1f s", static_cast<double>(seconds) + duration.nanos() / 1e9);
  }
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
  return absl::StrCat(seconds / 3600, " h ", seconds % 3600 / 60, " min");
}

std::string LocalTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string StateName(v1::JobState state) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::JobState_Name(state), "JOB_STATE_"));
}

std::string SummaryRow(const std::string& name, const std::string& figure) {
  return absl::StrFormat("%-13s %s\n", name, figure);
}

std::string WaitText(const v1::Job& job) {
  switch (job.wait_reason()) {
    case v1::WAIT_REASON_RUNNING_JOBS:
      return "other jobs to end";
    case v1::WAIT_REASON_SLOW_CONSUMER:
      return "a slow reader";
    case v1::WAIT_REASON_NO_CONSUMER:
      return "a reader";
    default:
      return "";
  }
}

std::string StateText(const v1::Job& job) {
  std::string state = StateName(job.state());
  const std::string wait = WaitText(job);
  if (wait.empty()) return state;
  return absl::StrCat(state, job.state() == v1::JOB_STATE_WAITING ? " for " : ", waits for ", wait);
}

std::string KindName(const v1::JobSpec& spec) {
  switch (spec.kind_case()) {
    case v1::JobSpec::kScan:
      return "scan";
    case v1::JobSpec::kReconcile:
      return "reconcile";
    case v1::JobSpec::kApply:
      return "apply";
    case v1::JobSpec::KIND_NOT_SET:
      break;
  }
  return "unknown";
}

std::string ProgressLine(const v1::Progress& progress, std::size_t width) {
  std::string line = absl::StrCat(progress.stage(), "  ", Grouped(progress.items_done()));
  if (progress.has_items_total()) absl::StrAppend(&line, " of ", Grouped(progress.items_total()));
  absl::StrAppend(&line, " items  ", HumanBytes(progress.bytes_done()));
  if (progress.has_bytes_total()) {
    absl::StrAppend(&line, " of ", HumanBytes(progress.bytes_total()));
  }
  const auto rate = [](double per_second) {
    return static_cast<std::uint64_t>(std::llround(std::max(per_second, 0.0)));
  };
  absl::StrAppend(&line, "  ", Grouped(rate(progress.items_per_second())), " items/s  ",
                  HumanBytes(rate(progress.bytes_per_second())), "/s  ",
                  HumanDuration(progress.elapsed()));
  if (progress.has_remaining()) {
    absl::StrAppend(&line, ", about ", HumanDuration(progress.remaining()), " left");
  }
  return line.substr(0, width);
}

}  // namespace sluice::cli
