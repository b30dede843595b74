#ifndef SLUICE_CLIENT_CLI_VALUES_H_
#define SLUICE_CLIENT_CLI_VALUES_H_

#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/timestamp.pb.h"

#include "sluice/v1/plan.pb.h"
#include "sluice/v1/scan.pb.h"

// What people write on the command line, and what it means in the contract.
namespace sluice::cli {

// RFC 3339 ("2024-02-29T12:00:00Z") or a date ("2024-02-29": its beginning in local time).
absl::StatusOr<google::protobuf::Timestamp> ParseTime(const std::string& text);

// "oldest", "most-links" ... or "glob:PATTERN".
absl::StatusOr<v1::KeepRule> ParseKeepRule(const std::string& text);
// The words that ParseKeepRule takes, for help and completion.
std::string KeepRuleWords();

// "team=backup": the key and the value of a label.
absl::StatusOr<std::pair<std::string, std::string>> ParseLabel(const std::string& text);

// Makes `option` take "10M", "2GiB" or bytes; units are powers of 1024.
CLI::Option* TakesSize(CLI::Option* option);

// Makes `option` take "90", "90s", "5m", "2h" or "1d", as seconds.
CLI::Option* TakesSeconds(CLI::Option* option);

// "{collection}/{id}" of a full name or of a bare id.
std::string ResourceName(const std::string& collection, const std::string& text);

// The absolute path that `path` names on this host, its own symbolic link resolved. A path that is
// not here may be on the server: an absolute one is passed on as it is, a relative one is an error.
absl::StatusOr<std::string> AbsolutePath(const std::string& path);

// Puts paths into a spec, in their order: as text where all are, else all as bytes.
absl::Status SetRoots(const std::vector<std::string>& paths, v1::ScanSpec& spec);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_VALUES_H_
