#include "client/cli/values.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "pipeline/fs/path_text.h"

namespace sluice::cli {

namespace {

constexpr std::string_view kGlobPrefix = "glob:";

const std::map<std::string, v1::KeepRule::Criterion>& CriteriaByWord() {
  static const auto* const criteria = new std::map<std::string, v1::KeepRule::Criterion>{
      {"root-order", v1::KeepRule::CRITERION_ROOT_ORDER},
      {"oldest", v1::KeepRule::CRITERION_OLDEST},
      {"newest", v1::KeepRule::CRITERION_NEWEST},
      {"shortest-path", v1::KeepRule::CRITERION_SHORTEST_PATH},
      {"deepest-path", v1::KeepRule::CRITERION_DEEPEST_PATH},
      {"most-links", v1::KeepRule::CRITERION_MOST_LINKS},
      {"lowest-inode", v1::KeepRule::CRITERION_LOWEST_INODE},
      {"path-order", v1::KeepRule::CRITERION_PATH_ORDER},
  };
  return *criteria;
}

}  // namespace

absl::StatusOr<google::protobuf::Timestamp> ParseTime(const std::string& text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%d", text, absl::LocalTimeZone(), &time, &error) &&
      !absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no time: write 2024-02-29 or 2024-02-29T12:00:00Z"));
  }
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  const absl::Duration fraction = time - absl::FromUnixSeconds(timestamp.seconds());
  timestamp.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(fraction)));
  return timestamp;
}

absl::StatusOr<v1::KeepRule> ParseKeepRule(const std::string& text) {
  v1::KeepRule rule;
  if (text.starts_with(kGlobPrefix) && text.size() > kGlobPrefix.size()) {
    rule.set_criterion(v1::KeepRule::CRITERION_PATH_GLOB);
    rule.set_pattern(text.substr(kGlobPrefix.size()));
    return rule;
  }
  const auto found = CriteriaByWord().find(text);
  if (found == CriteriaByWord().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no rule: write one of ", KeepRuleWords()));
  }
  rule.set_criterion(found->second);
  return rule;
}

std::string KeepRuleWords() {
  std::string words;
  for (const auto& [word, criterion] : CriteriaByWord()) absl::StrAppend(&words, word, ", ");
  return words + "glob:PATTERN";
}

absl::StatusOr<std::pair<std::string, std::string>> ParseLabel(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || !IsPrintable(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", PrintablePath(text), "\" is no label: write KEY=VALUE"));
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

CLI::Option* TakesSize(CLI::Option* option) {
  // Without the check, -1 would be the largest of all sizes.
  return option->transform(CLI::AsSizeValue(/*kb_is_1000=*/false).description(""))
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->type_name("SIZE");
}

CLI::Option* TakesSeconds(CLI::Option* option) {
  const std::map<std::string, std::uint64_t> units = {
      {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  return option->transform(CLI::AsNumberWithUnit(units).description(""))
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->type_name("TIME");
}

std::string ResourceName(const std::string& collection, const std::string& text) {
  return absl::StrContains(text, "/") ? text : absl::StrCat(collection, "/", text);
}

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(path.c_str(), nullptr),
                                                             &std::free);
  if (resolved) return std::string(resolved.get());
  const int error = errno;
  if (const std::optional<std::string> absolute = NormalizePath(path)) return *absolute;
  return absl::ErrnoToStatus(error, PrintablePath(path));
}

absl::Status SetRoots(const std::vector<std::string>& paths, v1::ScanSpec& spec) {
  std::vector<std::string> roots;
  bool printable = true;
  for (const std::string& path : paths) {
    absl::StatusOr<std::string> root = AbsolutePath(path);
    if (!root.ok()) return root.status();
    printable = printable && IsPrintable(*root);
    roots.push_back(*std::move(root));
  }
  for (std::string& root : roots) {
    if (printable) {
      spec.add_roots(std::move(root));
    } else {
      spec.add_raw_roots(std::move(root));
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::cli
