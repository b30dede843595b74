#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "client/cli/apply_job.h"
#include "client/cli/base_job.h"
#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/report.h"
#include "client/cli/spec_options.h"
#include "client/cli/stats.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  sluice dedupe ~/photos                         identical files of one tree
  sluice dedupe ~/photos /mnt/backup/photos      of several, compared with each other
  sluice dedupe --min-size=1M --keep=newest --exclude='.git/' .
  sluice dedupe --incremental ~/photos           again: only what has changed is read
  sluice dedupe --json . | jq 'select(.plan) | .plan.totalRecoverableBytes'
  sluice dedupe --apply=hardlink ~/photos        report, ask, and then give it back
  sluice dedupe --apply=remove --dry-run ~/photos

Without --apply nothing is changed: the report says what could be given back, and what would be
kept. With it, each file is compared with the kept one byte for byte before it is changed, and
`sluice undo` takes it all back; without a terminal, --yes or --dry-run is needed. With --json the
files that were scanned are not printed, only what was found and done.)";

struct Options {
  v1::ScanSpec scan;
  v1::ReconcileSpec reconcile;
  v1::JobSpec common;  // What both jobs are given.
  bool incremental = false;
  bool applies = false;
  ApplyRequest apply;  // Without what is common.
};

v1::JobSpec ScanSpec(const Options& options) {
  v1::JobSpec spec = options.common;
  v1::ScanSpec& scan = *spec.mutable_scan();
  scan = options.scan;
  // What has a twin is only known in the end; reconciling reads just as much as it needs for that.
  scan.set_digest_policy(v1::DIGEST_POLICY_NONE);
  scan.add_types(v1::FILE_TYPE_REGULAR);
  return spec;
}

v1::JobSpec ReconcileSpec(const Options& options, const std::string& scan,
                          const std::string& base_job) {
  v1::JobSpec spec = options.common;
  v1::ReconcileSpec& reconcile = *spec.mutable_reconcile();
  reconcile = options.reconcile;
  reconcile.add_scans(scan);
  reconcile.set_base_job(base_job);
  // The same bounds; an explicit 0 takes empty files in.
  if (options.scan.has_min_size()) reconcile.set_min_size(options.scan.min_size());
  return spec;
}

Task<ExitStatus> Apply(Session session, std::shared_ptr<const Options> options, std::string job) {
  ApplyRequest request = options->apply;
  request.spec = options->common;
  *request.spec.mutable_apply() = options->apply.spec.apply();
  return ApplyPlans(session, std::move(request), std::move(job));
}

// Empty where there is none, which is no error: everything is read then.
Task<std::string> BaseJob(Session session, std::shared_ptr<const Options> options) {
  if (!options->incremental) co_return "";
  std::string base = co_await FindBaseJob(session, options->scan);
  if (base.empty()) {
    session.console->Note("sluice: no earlier run over the same trees to go on from: reads all");
  }
  co_return base;
}

Task<ExitStatus> Dedupe(Session session, std::shared_ptr<const Options> options) {
  if (options->applies) RequireConsent(session, options->apply);
  const std::string base = co_await BaseJob(session, options);
  const FollowedJob scan = co_await RunJob(session, ScanSpec(*options), Files::kCount);
  PrintStats(session, scan.job.name(), scan.summary);
  if (scan.summary.state() != v1::JOB_STATE_SUCCEEDED) co_return ExitStatus::kFailed;

  const FollowedJob reconcile =
      co_await RunJob(session, ReconcileSpec(*options, scan.job.scan(), base), Files::kCount);
  if (!session.console->json()) {
    session.console->Print(absl::StrCat("Scan (", scan.job.scan(), ")\n",
                                        ScanSummaryText(scan.summary), "\nIdentical files\n",
                                        ReconcileSummaryText(reconcile.summary)));
  }
  PrintStats(session, reconcile.job.name(), reconcile.summary);
  const ExitStatus found = Worse(ExitStatusFor(scan.summary), ExitStatusFor(reconcile.summary));
  if (!options->applies || found == ExitStatus::kFailed) co_return found;
  co_return Worse(found, co_await Apply(session, options, reconcile.job.name()));
}

// --apply, and what makes no sense without it.
void AddActionOptions(CLI::App& command, Options& options) {
  CLI::Option* apply = AddAction(
      command, "--apply",
      [&options](v1::Action action) {
        options.applies = true;
        options.reconcile.set_action(action);
      },
      "After the report, do this with the other copies: make them hard links to the kept one, let "
      "them share its storage, put symbolic links to it in their place, or remove them");
  apply->excludes(command.get_option("--action"));
  AddConsentOptions(command, options.apply);
  AddApplyOptions(command, *options.apply.spec.mutable_apply());
  for (const char* const name : {"--dry-run", "--yes", "--metadata", "--verify", "--undo-window",
                                 "--max-changes", "--allow-unleased"}) {
    command.get_option(name)->needs(apply);
  }
}

}  // namespace

void DeclareDedupe(CLI::App& root, Invocation& invocation) {
  CLI::App& command = *root.add_subcommand(
      "dedupe", "Scan trees and report identical files; with --apply, act on the report");
  const auto options = std::make_shared<Options>();
  AddRootOptions(command, options->scan);
  AddFilterOptions(command, options->scan);
  AddPlanOptions(command, options->reconcile);
  command.add_flag("--incremental", options->incremental,
                   "Use again what the last run over the same trees found out about files that "
                   "have not changed since, by inode, size and times");
  AddActionOptions(command, *options);
  AddJobOptions(command, options->common);
  command.footer(kFooter);
  command.callback([options, &invocation] {
    invocation.run = [options](Session session) { return Dedupe(session, options); };
  });
}

}  // namespace sluice::cli
