#ifndef SLUICE_CLIENT_CLI_REPORT_H_
#define SLUICE_CLIENT_CLI_REPORT_H_

#include <string>

#include "client/cli/console.h"
#include "sluice/v1/event.pb.h"

// Results as people read them. Pure functions of what the server sent; `console` only lends its
// colours.
namespace sluice::cli {

// A group of identical files: size, copies and what they could give back; then the one to keep and
// why; then the others. A later part of a group adds its files to those above.
//
//   3 copies of 1.5 KiB (1,536 bytes), 3.0 KiB (3,072 bytes) recoverable
//     keep  /data/a   oldest: modified 2024-02-29T12:00:00Z
//           /data/b
//           /data/c   same file as /data/b
std::string PlanText(const v1::ReconciliationPlan& plan, const Console& console);

// "sha256:…        1,536  /data/a".
std::string FileText(const v1::FileRecord& file);

// "sluice: /data/a: open: Permission denied".
std::string ItemErrorText(const v1::ItemError& error);
// "sluice: /data/a: skipped: hidden".
std::string SkippedText(const v1::SkippedItem& skipped);

// What jobs came to, as a table of names and figures.
std::string ScanSummaryText(const v1::JobSummary& summary);
std::string ReconcileSummaryText(const v1::JobSummary& summary);
// Any of them, by the kind of the job (see apply_report.h); and the name of what it left behind.
std::string SummaryText(const v1::Job& job, const v1::JobSummary& summary);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_REPORT_H_
