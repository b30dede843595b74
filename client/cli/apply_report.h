#ifndef SLUICE_CLIENT_CLI_APPLY_REPORT_H_
#define SLUICE_CLIENT_CLI_APPLY_REPORT_H_

#include <string>

#include "client/cli/console.h"
#include "sluice/v1/event.pb.h"

// What apply jobs do and have done, as people read it. Pure functions of what the server sent;
// `console` only lends its colours.
namespace sluice::cli {

// Whether something was done, or would be in the real run: neither skipped nor failed.
bool IsChange(const v1::ApplyOutcome& outcome);

// A line without its end: what happened to which path, and what came of it.
//
//   hard link     /data/b   to /data/a, 1.5 KiB freed, gave up modification time
//   would remove  /data/c   kept /data/a, 1.5 KiB to be freed when the undo window ends
//   sluice: /data/d: skipped: open for writing
//   sluice: /data/e: not changed: Input/output error
std::string OutcomeText(const v1::ApplyOutcome& outcome, const Console& console);

// What an apply job came to, as a table; with the command that undoes it, where that can be done.
std::string ApplySummaryText(const v1::Job& job, const v1::JobSummary& summary);

// What is about to be done, for the question whether it shall be. Of `spec`, an apply job over the
// plans of `reconcile`:
//
//   jobs/1: 3 groups, 3.0 KiB (3,072 bytes) recoverable
//   make the other copies hard links to the kept one
std::string PlannedText(const v1::Job& reconcile, const v1::ApplySpec& spec);
// Of an undo of `apply`: "jobs/2: changed 3 files, 3.0 KiB (3,072 bytes) recovered, 0 bytes
// pending".
std::string DoneText(const v1::Job& apply);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_APPLY_REPORT_H_
