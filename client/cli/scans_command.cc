#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "client/cli/command.h"
#include "client/cli/format.h"
#include "client/cli/report.h"
#include "client/cli/values.h"
#include "pipeline/fs/path_text.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice scans list
  sluice scans files --glob='*.iso' --min-size=100M scans/0192f0c1
  sluice scans files --json scans/0192f0c1 | jq .digest
  sluice scans delete scans/0192f0c1)";

constexpr std::int32_t kMaxPageSize = 1000;

std::string ScanStateName(v1::Scan::State state) {
  const std::string name = v1::Scan::State_Name(state);
  return absl::AsciiStrToLower(absl::StripPrefix(name, absl::string_view("STATE_")));
}

std::string Roots(const v1::ScanSpec& spec) {
  std::string roots = absl::StrJoin(spec.roots(), " ");
  for (const std::string& root : spec.raw_roots()) {
    absl::StrAppend(&roots, roots.empty() ? "" : " ", PrintablePath(root));
  }
  return roots;
}

std::string TableRow(const std::string& name, const std::string& state, const std::string& created,
                     const std::string& files, const std::string& size, const std::string& roots) {
  return absl::StrFormat("%-43s %-10s %-19s %12s %10s  %s\n", name, state, created, files, size,
                         roots);
}

std::string ScanRow(const v1::Scan& scan) {
  return TableRow(scan.name(), ScanStateName(scan.state()), LocalTime(scan.create_time()),
                  Grouped(scan.file_count()), HumanBytes(scan.total_bytes()), Roots(scan.spec()));
}

Task<ExitStatus> List(Session session, std::uint32_t limit) {
  Console& console = *session.console;
  v1::ListScansRequest request;
  auto left = static_cast<std::int64_t>(limit);
  while (left > 0) {
    request.set_page_size(static_cast<std::int32_t>(std::min<std::int64_t>(left, kMaxPageSize)));
    const v1::ListScansResponse page =
        co_await session.client->ListScans(request, session.call_options());
    if (!console.json() && request.page_token().empty()) {
      console.Print(TableRow("NAME", "STATE", "CREATED", "FILES", "SIZE", "ROOTS"));
    }
    for (const v1::Scan& scan : page.scans()) {
      console.json() ? console.PrintJson(scan) : console.Print(ScanRow(scan));
    }
    console.Flush();
    left -= page.scans_size();
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  co_return ExitStatus::kOk;
}

std::string ScanText(const v1::Scan& scan) {
  return absl::StrCat("name          ", scan.name(), "\njob           ", scan.job(),
                      "\nstate         ", ScanStateName(scan.state()), "\nroots         ",
                      Roots(scan.spec()), "\nhost          ", scan.host(), "\ncreated       ",
                      LocalTime(scan.create_time()), "\nended         ", LocalTime(scan.end_time()),
                      "\nfiles         ", Grouped(scan.file_count()), ", ",
                      HumanAndExactBytes(scan.total_bytes()), "\nerrors        ",
                      Grouped(scan.error_count()), "\n");
}

Task<ExitStatus> Get(Session session, std::string name) {
  const v1::Scan scan =
      co_await session.client->GetScan(ResourceName("scans", name), session.call_options());
  session.console->json() ? session.console->PrintJson(scan)
                          : session.console->Print(ScanText(scan));
  co_return ExitStatus::kOk;
}

Task<ExitStatus> Delete(Session session, std::vector<std::string> names,
                        Client::IfMissing if_missing) {
  Console& console = *session.console;
  for (const std::string& name : names) {
    const v1::Scan scan = co_await session.client->DeleteScan(ResourceName("scans", name),
                                                              if_missing, session.call_options());
    if (scan.name().empty()) continue;
    console.json() ? console.PrintJson(scan)
                   : console.Print(absl::StrCat(scan.name(), " deleted\n"));
    console.Flush();
  }
  co_return ExitStatus::kOk;
}

Task<ExitStatus> ListFiles(Session session, v1::StreamFilesRequest request) {
  Console& console = *session.console;
  request.set_scan(ResourceName("scans", request.scan()));
  auto responses = session.client->StreamFiles(std::move(request), session.call_options());
  while (auto response = co_await responses.Next()) {
    for (const v1::FileRecord& file : response->files()) {
      console.json() ? console.PrintJson(file) : console.Print(FileText(file));
    }
    console.Flush();
  }
  co_return ExitStatus::kOk;
}

void DeclareList(CLI::App& scans, Invocation& invocation) {
  CLI::App& command = *scans.add_subcommand("list", "Print scans, newest first");
  const auto limit = std::make_shared<std::uint32_t>(50);
  command.add_option("--limit", *limit, "At most so many")->capture_default_str();
  command.callback([limit, &invocation] {
    invocation.run = [limit](Session session) { return List(session, *limit); };
  });
}

void DeclareGet(CLI::App& scans, Invocation& invocation) {
  CLI::App& command = *scans.add_subcommand("get", "Print a scan");
  const auto name = std::make_shared<std::string>();
  command.add_option("SCAN", *name, "Name of the scan")->required()->type_name("");
  command.callback([name, &invocation] {
    invocation.run = [name](Session session) { return Get(session, *name); };
  });
}

void DeclareFiles(CLI::App& scans, Invocation& invocation) {
  CLI::App& command =
      *scans.add_subcommand("files", "Print the files of a scan: digest, size, path");
  const auto request = std::make_shared<v1::StreamFilesRequest>();
  command
      .add_option_function<std::string>(
          "SCAN", [request](const std::string& name) { request->set_scan(name); },
          "Name of the scan")
      ->required()
      ->type_name("");
  command.add_option_function<std::string>(
      "--prefix", [request](const std::string& prefix) { request->set_path_prefix(prefix); },
      "Only absolute paths that begin with this");
  command.add_option_function<std::string>(
      "--glob", [request](const std::string& glob) { request->set_path_glob(glob); },
      "Only absolute paths that match this gitignore-style glob");
  command.add_option_function<std::string>(
      "--with-digest", [request](const std::string& digest) { request->set_digest(digest); },
      "Only files with this content, such as sha256:...");
  TakesSize(command.add_option_function<std::uint64_t>(
      "--min-size", [request](std::uint64_t size) { request->set_min_size(size); },
      "Only files of at least this size (10M = 10 x 1024 x 1024)"));
  TakesSize(command.add_option_function<std::uint64_t>(
      "--max-size", [request](std::uint64_t size) { request->set_max_size(size); },
      "Only files of at most this size"));
  command.callback([request, &invocation] {
    invocation.run = [request](Session session) { return ListFiles(session, *request); };
  });
}

void DeclareDelete(CLI::App& scans, Invocation& invocation) {
  CLI::App& command = *scans.add_subcommand("delete", "Delete scans, with the jobs that made them");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto allow_missing = std::make_shared<bool>(false);
  command.add_option("SCAN", *names, "Names of the scans")->required()->type_name("");
  command.add_flag("--allow-missing", *allow_missing, "What does not exist is no error");
  command.callback([names, allow_missing, &invocation] {
    invocation.run = [names, allow_missing](Session session) {
      return Delete(session, *names,
                    *allow_missing ? Client::IfMissing::kIgnore : Client::IfMissing::kFail);
    };
  });
}

}  // namespace

void DeclareScans(CLI::App& root, Invocation& invocation) {
  CLI::App& scans = *root.add_subcommand("scans", "See and delete what scans have recorded");
  scans.require_subcommand(1);
  scans.footer(kFooter);
  DeclareList(scans, invocation);
  DeclareGet(scans, invocation);
  DeclareFiles(scans, invocation);
  DeclareDelete(scans, invocation);
}

}  // namespace sluice::cli
