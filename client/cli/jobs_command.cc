#include <algorithm>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/format.h"
#include "client/cli/job_changes.h"
#include "client/cli/report.h"
#include "client/cli/spec_options.h"
#include "client/cli/stats.h"
#include "client/cli/values.h"
#include "client/error_details.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice jobs list --state=running --label=team=backup
  sluice jobs watch jobs/0192f0c1
  sluice jobs wait --timeout=1h jobs/0192f0c1 && sluice reconcile scans/0192f0c1
  sluice jobs pause jobs/0192f0c1 jobs/0192f0c2)";

// The most that a server puts on one page.
constexpr std::int32_t kMaxPageSize = 1000;

struct ListOptions {
  std::uint32_t limit = 50;
  std::string state;
  std::string kind;
  google::protobuf::Map<std::string, std::string> labels;
};

std::string Filter(const ListOptions& options) {
  std::vector<std::string> terms;
  if (!options.state.empty()) terms.push_back(absl::StrCat("state=", options.state));
  if (!options.kind.empty()) terms.push_back(absl::StrCat("kind=", options.kind));
  for (const auto& [key, value] : options.labels) {
    terms.push_back(absl::StrCat("labels.", key, "=", value));
  }
  return absl::StrJoin(terms, " AND ");
}

std::string TableRow(const std::string& name, const std::string& kind, const std::string& state,
                     const std::string& created, const std::string& items,
                     const std::string& errors, const std::string& wait) {
  const std::string row = absl::StrFormat("%-42s %-10s %-10s %-19s %12s %8s  %s", name, kind, state,
                                          created, items, errors, wait);
  return absl::StrCat(absl::StripTrailingAsciiWhitespace(row), "\n");
}

std::string JobRow(const v1::Job& job) {
  return TableRow(job.name(), KindName(job.spec()), StateName(job.state()),
                  LocalTime(job.create_time()), Grouped(job.counters().items()),
                  Grouped(job.counters().errors()), WaitText(job));
}

Task<ExitStatus> List(Session session, ListOptions options) {
  Console& console = *session.console;
  v1::ListJobsRequest request;
  request.set_filter(Filter(options));
  auto left = static_cast<std::int64_t>(options.limit);
  while (left > 0) {
    request.set_page_size(static_cast<std::int32_t>(std::min<std::int64_t>(left, kMaxPageSize)));
    const v1::ListJobsResponse page =
        co_await session.client->ListJobs(request, session.call_options());
    if (!console.json() && request.page_token().empty()) {
      console.Print(TableRow("NAME", "KIND", "STATE", "CREATED", "ITEMS", "ERRORS", "WAITS FOR"));
    }
    for (const v1::Job& job : page.jobs()) {
      console.json() ? console.PrintJson(job) : console.Print(JobRow(job));
    }
    console.Flush();
    left -= page.jobs_size();
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  co_return ExitStatus::kOk;
}

std::string Labels(const v1::JobSpec& spec) {
  const std::map<std::string, std::string> sorted(spec.labels().begin(), spec.labels().end());
  return absl::StrJoin(sorted, " ", absl::PairFormatter("="));
}

// As the job is now.
v1::JobSummary SummaryOf(const v1::Job& job) {
  v1::JobSummary summary;
  summary.set_state(job.state());
  *summary.mutable_counters() = job.counters();
  if (job.has_start_time()) {
    const std::int64_t end = job.has_end_time() ? job.end_time().seconds() : time(nullptr);
    summary.mutable_elapsed()->set_seconds(end - job.start_time().seconds());
  }
  return summary;
}

std::string JobText(const v1::Job& job) {
  std::string text = absl::StrCat(
      "name          ", job.name(), "\nkind          ", KindName(job.spec()), "\nstate         ",
      StateText(job), "\ncreated       ", LocalTime(job.create_time()), "\nended         ",
      LocalTime(job.end_time()), "\nevents        ", Grouped(job.last_sequence()), "\n");
  if (job.spec().priority() != 0) {
    absl::StrAppend(&text, "priority      ", job.spec().priority(), "\n");
  }
  if (!job.spec().labels().empty()) {
    absl::StrAppend(&text, "labels        ", Labels(job.spec()), "\n");
  }
  if (job.has_error()) absl::StrAppend(&text, "error         ", DescribeError(job.error()), "\n");
  return text + SummaryText(job, SummaryOf(job));
}

Task<ExitStatus> Get(Session session, std::string name) {
  const v1::Job job =
      co_await session.client->GetJob(ResourceName("jobs", name), session.call_options());
  session.console->json() ? session.console->PrintJson(job) : session.console->Print(JobText(job));
  PrintStats(session, job.name(), SummaryOf(job));
  co_return ExitStatus::kOk;
}

struct WatchOptions {
  v1::WatchJobRequest request;
  bool list = false;
};

Task<ExitStatus> Watch(Session session, WatchOptions options) {
  Console& console = *session.console;
  options.request.set_name(ResourceName("jobs", options.request.name()));
  const Files files = options.list || console.json() ? Files::kPrint : Files::kCount;
  const FollowedJob followed = co_await WatchJob(session, std::move(options.request), files);
  if (!console.json()) console.Print(SummaryText(followed.job, followed.summary));
  PrintStats(session, followed.job.name(), followed.summary);
  co_return ExitStatusFor(followed.summary);
}

void DeclareList(CLI::App& jobs, Invocation& invocation) {
  CLI::App& command = *jobs.add_subcommand("list", "Print jobs, newest first");
  const auto options = std::make_shared<ListOptions>();
  command.add_option("--limit", options->limit, "At most so many")->capture_default_str();
  command.add_option("--state", options->state, "Only jobs in this state, such as running")
      ->transform([](const std::string& state) { return absl::AsciiStrToUpper(state); });
  command.add_option("--kind", options->kind, "Only jobs of this kind, such as scan");
  AddLabels(command, options->labels, "Only jobs with this label; repeatable: with all of them");
  command.callback([options, &invocation] {
    invocation.run = [options](Session session) { return List(session, *options); };
  });
}

void DeclareGet(CLI::App& jobs, Invocation& invocation) {
  CLI::App& command = *jobs.add_subcommand("get", "Print a job");
  const auto name = std::make_shared<std::string>();
  command.add_option("JOB", *name, "Name of the job")->required()->type_name("");
  command.callback([name, &invocation] {
    invocation.run = [name](Session session) { return Get(session, *name); };
  });
}

void DeclareWatch(CLI::App& jobs, Invocation& invocation) {
  CLI::App& command = *jobs.add_subcommand(
      "watch",
      "Follow a job to its end, also across restarts of the server; Ctrl-C leaves it "
      "running");
  const auto options = std::make_shared<WatchOptions>();
  v1::WatchJobRequest& request = options->request;
  command
      .add_option_function<std::string>(
          "JOB", [&request](const std::string& name) { request.set_name(name); }, "Name of the job")
      ->required()
      ->type_name("");
  CLI::Option* from = command.add_option_function<std::uint64_t>(
      "--from", [&request](std::uint64_t sequence) { request.set_start_sequence(sequence); },
      "Begin with this event. Default: 1, the first");
  command
      .add_flag_callback(
          "--from-now", [&request] { request.set_from_now(true); }, "Begin with the next event")
      ->excludes(from);
  command.add_flag("--list", options->list, "Print every file of a scan");
  command.callback([options, &invocation] {
    invocation.run = [options](Session session) { return Watch(session, *options); };
  });
}

}  // namespace

void DeclareJobs(CLI::App& root, Invocation& invocation) {
  CLI::App& jobs = *root.add_subcommand("jobs", "See, pause and end what the server does");
  jobs.require_subcommand(1);
  jobs.footer(kFooter);
  DeclareList(jobs, invocation);
  DeclareGet(jobs, invocation);
  DeclareWatch(jobs, invocation);
  DeclareJobChanges(jobs, invocation);
}

}  // namespace sluice::cli
