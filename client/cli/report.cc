#include "client/cli/report.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include "client/cli/apply_report.h"
#include "client/cli/format.h"
#include "client/error_details.h"

namespace sluice::cli {

namespace {

constexpr char kKept[] = "  keep  ";
constexpr char kOther[] = "        ";

std::string CopyText(const v1::Copy& copy, const Console& console) {
  std::string remark;
  if (!copy.shares_storage_with().empty()) {
    remark = absl::StrCat("   same file as ", copy.shares_storage_with());
  }
  if (copy.protected_()) absl::StrAppend(&remark, "   protected");
  return absl::StrCat(kOther, copy.file().path(), console.Dim(remark), "\n");
}

std::string GroupHeader(const v1::ReconciliationPlan& plan) {
  return absl::StrCat(Counted(plan.total_copies(), "copy", "copies"), " of ",
                      HumanAndExactBytes(plan.size()), ", ",
                      HumanAndExactBytes(plan.total_recoverable_bytes()), " recoverable");
}

}  // namespace

std::string PlanText(const v1::ReconciliationPlan& plan, const Console& console) {
  const std::string& kept = plan.source_of_truth().path();
  std::string text;
  if (plan.part() <= 1) {
    absl::StrAppend(&text, console.Bold(GroupHeader(plan)), "\n", kKept, kept, "   ",
                    console.Dim(plan.reason()), "\n");
  }
  for (const v1::Copy& copy : plan.copies()) {
    if (copy.file().path() != kept) absl::StrAppend(&text, CopyText(copy, console));
  }
  if (plan.last_part()) absl::StrAppend(&text, "\n");
  return text;
}

std::string FileText(const v1::FileRecord& file) {
  return absl::StrFormat("%s  %15s  %s\n", file.digest().empty() ? "-" : file.digest(),
                         Grouped(file.size()), file.path());
}

std::string ItemErrorText(const v1::ItemError& error) {
  return absl::StrCat("sluice: ", error.path(), ": ", error.operation(), ": ",
                      DescribeError(error.status()));
}

std::string SkippedText(const v1::SkippedItem& skipped) {
  const std::string name = v1::SkippedItem::Reason_Name(skipped.reason());
  const std::string reason =
      absl::AsciiStrToLower(absl::StripPrefix(name, absl::string_view("REASON_")));
  return absl::StrCat("sluice: ", skipped.path(), ": skipped: ", reason);
}

std::string ScanSummaryText(const v1::JobSummary& summary) {
  const v1::JobCounters& counters = summary.counters();
  std::string text = SummaryRow("files", absl::StrCat(Grouped(counters.items()), ", ",
                                                      HumanAndExactBytes(counters.total_bytes())));
  if (counters.bytes_read() > 0) {
    absl::StrAppend(&text, SummaryRow("read", HumanAndExactBytes(counters.bytes_read())));
  }
  absl::StrAppend(&text, SummaryRow("skipped", Grouped(counters.skipped())),
                  SummaryRow("errors", Grouped(counters.errors())),
                  SummaryRow("time", HumanDuration(summary.elapsed())));
  return text;
}

std::string ReconcileSummaryText(const v1::JobSummary& summary) {
  const v1::JobCounters& counters = summary.counters();
  return absl::StrCat(SummaryRow("groups", Grouped(counters.groups())),
                      SummaryRow("recoverable", HumanAndExactBytes(counters.recoverable_bytes())),
                      SummaryRow("read", HumanAndExactBytes(counters.bytes_read())),
                      SummaryRow("errors", Grouped(counters.errors())),
                      SummaryRow("time", HumanDuration(summary.elapsed())));
}

std::string SummaryText(const v1::Job& job, const v1::JobSummary& summary) {
  if (job.spec().has_reconcile()) return ReconcileSummaryText(summary);
  if (job.spec().has_apply()) return ApplySummaryText(job, summary);
  return (job.scan().empty() ? "" : SummaryRow("scan", job.scan())) + ScanSummaryText(summary);
}

}  // namespace sluice::cli
