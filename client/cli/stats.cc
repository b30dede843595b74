#include "client/cli/stats.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/util/time_util.h"

#include "client/cli/format.h"
#include "client/cli/json.h"

namespace sluice::cli {

namespace {

std::string Milliseconds(const google::protobuf::Duration& duration) {
  const auto ms = google::protobuf::util::TimeUtil::DurationToMilliseconds(duration);
  return absl::StrFormat("%.3f s", static_cast<double>(ms) / 1000);
}

std::string StageRow(const std::string& name, const std::string& items, const std::string& bytes,
                     const std::string& busy) {
  const std::string row = absl::StrFormat("%-11s %13s %13s %11s", name, items, bytes, busy);
  return absl::StrCat(absl::StripTrailingAsciiWhitespace(row), "\n");
}

std::string WaitRow(const std::string& name, const google::protobuf::Duration& time) {
  return absl::StrFormat("%-17s %s\n", name, Milliseconds(time));
}

}  // namespace

std::string StatsText(const std::string& job_name, const v1::JobSummary& summary) {
  const v1::JobCounters& counters = summary.counters();
  std::string text =
      absl::StrCat("cost of ", job_name, "\n", StageRow("stage", "items", "bytes", "busy"));
  for (const v1::JobCounters::Stage& stage : counters.stages()) {
    absl::StrAppend(&text, StageRow(stage.name(), Grouped(stage.items()), HumanBytes(stage.bytes()),
                                    stage.has_busy_time() ? Milliseconds(stage.busy_time()) : ""));
  }
  absl::StrAppend(&text, WaitRow("wait for catalog", counters.catalog_time()),
                  WaitRow("wait for reader", counters.consumer_wait_time()));
  return text;
}

void PrintStats(const Session& session, const std::string& job_name,
                const v1::JobSummary& summary) {
  if (!session.stats) return;
  if (session.console->json()) {
    session.console->Print(
        absl::StrCat("{\"job\":\"", job_name, "\",\"stats\":", JsonText(summary), "}\n"));
  } else {
    session.console->Note(absl::StripTrailingAsciiWhitespace(StatsText(job_name, summary)));
  }
}

}  // namespace sluice::cli
