#ifndef SLUICE_CLIENT_CLI_STATS_H_
#define SLUICE_CLIENT_CLI_STATS_H_

#include <string>

#include "client/cli/command.h"
#include "sluice/v1/event.pb.h"

// What a job has cost, stage by stage, so that its user sees what holds it back.
namespace sluice::cli {

//   cost of jobs/0192f0c1
//   stage             items         bytes        busy
//   enumerate         1,234       5.6 GiB     0.412 s
//   digest              120       1.1 GiB     3.004 s
//   wait for catalog  0.118 s
//   wait for reader   0.000 s
std::string StatsText(const std::string& job_name, const v1::JobSummary& summary);

// Where --stats asks for it: that text on standard error, or one line of JSON among the results,
// {"job": its name, "stats": its summary}.
void PrintStats(const Session& session, const std::string& job_name, const v1::JobSummary& summary);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_STATS_H_
