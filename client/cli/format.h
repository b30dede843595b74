#ifndef SLUICE_CLIENT_CLI_FORMAT_H_
#define SLUICE_CLIENT_CLI_FORMAT_H_

#include <cstdint>
#include <string>

#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

#include "sluice/v1/job.pb.h"

// How figures read in a terminal.
namespace sluice::cli {

// "0 B", "1,023 B", "1.5 KiB", "12 MiB": three significant digits at most, powers of 1024.
std::string HumanBytes(std::uint64_t bytes);
// "1.5 KiB (1,536 bytes)".
std::string HumanAndExactBytes(std::uint64_t bytes);
// "1,234,567".
std::string Grouped(std::uint64_t number);
// "1 file", "2 files".
std::string Counted(std::uint64_t number, const std::string& singular, const std::string& plural);
// "0.4 s", "12 s", "3 min 5 s", "2 h 3 min".
std::string HumanDuration(const google::protobuf::Duration& duration);
// "2024-02-29 12:00:00" in local time; "-" where it is not set.
std::string LocalTime(const google::protobuf::Timestamp& time);
// "running", "succeeded".
std::string StateName(v1::JobState state);
// "scan", "reconcile", "apply".
std::string KindName(const v1::JobSpec& spec);

// A row of a job's summary: "errors        0", with its line feed.
std::string SummaryRow(const std::string& name, const std::string& figure);

// What it waits for: "other jobs to end"; empty where it does not wait.
std::string WaitText(const v1::Job& job);
// "running", "queued, waits for other jobs to end", "waiting for a slow reader".
std::string StateText(const v1::Job& job);

// "enumerate  1,234 items  5.6 GiB  120 items/s  12 MiB/s  3 s", cut to `width` columns.
std::string ProgressLine(const v1::Progress& progress, std::size_t width);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_FORMAT_H_
