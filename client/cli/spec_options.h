#ifndef SLUICE_CLIENT_CLI_SPEC_OPTIONS_H_
#define SLUICE_CLIENT_CLI_SPEC_OPTIONS_H_

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "google/protobuf/map.h"

#include "sluice/v1/job.pb.h"
#include "sluice/v1/scan.pb.h"

// The options that fill specifications. Each adds its group to `command` and writes what is given
// into the spec while the command line is parsed; wrong values are usage errors.
// Lifetime: the spec outlives the parsing.
namespace sluice::cli {

// PATH... and what of the trees is taken.
void AddRootOptions(CLI::App& command, v1::ScanSpec& spec);
void AddFilterOptions(CLI::App& command, v1::ScanSpec& spec);
// What is recorded and read while scanning.
void AddScanOptions(CLI::App& command, v1::ScanSpec& spec);

// Which files are compared.
void AddSizeOptions(CLI::App& command, v1::ReconcileSpec& spec);
// What makes a group, and which of its files is kept.
void AddPlanOptions(CLI::App& command, v1::ReconcileSpec& spec);

// An option that names an action: "hardlink", "reflink", "symlink", "remove".
CLI::Option* AddAction(CLI::App& command, const std::string& name,
                       std::function<void(v1::Action)> set, const std::string& description);
// What may be changed, and how it is made sure that it may; of these, those that an undo takes too.
void AddApplyOptions(CLI::App& command, v1::ApplySpec& spec);
void AddChangeOptions(CLI::App& command, v1::ApplySpec& spec);

// What is said about a job of any kind. Leaves the rest of the spec alone.
void AddJobOptions(CLI::App& command, v1::JobSpec& spec);
// KEY=VALUE, repeatable.
void AddLabels(CLI::App& command, google::protobuf::Map<std::string, std::string>& labels,
               const std::string& description);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_SPEC_OPTIONS_H_
