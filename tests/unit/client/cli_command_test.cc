#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/cli/apply_job.h"
#include "client/cli/command.h"
#include "client/cli/completion.h"
#include "client/cli/spec_options.h"

namespace sluice::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// CLI11 takes arguments from the last to the first.
void Parse(CLI::App& app, std::vector<std::string> arguments) {
  std::ranges::reverse(arguments);
  app.parse(arguments);
}

v1::ScanSpec ParseScan(const std::vector<std::string>& arguments) {
  CLI::App app;
  v1::ScanSpec spec;
  AddRootOptions(app, spec);
  AddFilterOptions(app, spec);
  AddScanOptions(app, spec);
  Parse(app, arguments);
  return spec;
}

v1::ReconcileSpec ParseReconcile(const std::vector<std::string>& arguments) {
  CLI::App app;
  v1::ReconcileSpec spec;
  AddSizeOptions(app, spec);
  AddPlanOptions(app, spec);
  Parse(app, arguments);
  return spec;
}

TEST(ScanOptions, UnsetOptionsLeaveTheSpecToTheServersDefaults) {
  v1::ScanSpec expected;
  expected.add_roots("/");
  EXPECT_EQ(ParseScan({"/"}).SerializeAsString(), expected.SerializeAsString());
}

TEST(ScanOptions, SizesTakeUnitsOf1024) {
  const v1::ScanSpec spec = ParseScan({"--min-size=10M", "--max-size", "2gib", "/"});
  EXPECT_EQ(spec.min_size(), 10U * 1024 * 1024);
  EXPECT_EQ(spec.max_size(), 2ULL * 1024 * 1024 * 1024);
  EXPECT_THROW(ParseScan({"--min-size=10X", "/"}), CLI::ParseError);
  EXPECT_THROW(ParseScan({"--min-size=99999999999E", "/"}), CLI::ParseError);
  EXPECT_THROW(ParseScan({"--min-size=-1", "/"}), CLI::ParseError);
}

TEST(ScanOptions, RepeatableOptionsTakeOneValueEach) {
  const v1::ScanSpec spec = ParseScan({"--exclude", "*.tmp", "--exclude", ".git/", "/"});
  EXPECT_THAT(spec.exclude(), ElementsAre("*.tmp", ".git/"));
  EXPECT_THAT(spec.roots(), ElementsAre("/"));
}

TEST(ScanOptions, EveryOtherOptionLandsInItsField) {
  const v1::ScanSpec spec = ParseScan(
      {"--include=*.iso", "--modified-after=2024-02-29T12:00:00Z", "--modified-before=2030-01-01",
       "--skip-hidden", "--one-file-system", "--max-depth=3", "--type=file", "--type=symlink",
       "--digest=candidates", "--algorithm=xxh3-128", "--read-threads=4", "--report-skipped", "/"});
  EXPECT_THAT(spec.include(), ElementsAre("*.iso"));
  EXPECT_EQ(spec.modified_after().seconds(), 1709208000);
  EXPECT_TRUE(spec.has_modified_before());
  EXPECT_TRUE(spec.skip_hidden() && spec.one_file_system() && spec.report_skipped());
  EXPECT_EQ(spec.max_depth(), 3U);
  EXPECT_THAT(spec.types(), ElementsAre(v1::FILE_TYPE_REGULAR, v1::FILE_TYPE_SYMLINK));
  EXPECT_EQ(spec.digest_policy(), v1::DIGEST_POLICY_CANDIDATES);
  EXPECT_EQ(spec.digest_algorithm(), v1::DIGEST_ALGORITHM_XXH3_128);
  EXPECT_EQ(spec.read_threads(), 4U);
}

TEST(ScanOptions, AGlobThatIsNoTextIsAUsageError) {
  EXPECT_THROW(ParseScan({"--include=\xff", "/"}), CLI::ValidationError);
}

TEST(ReconcileOptions, EveryOptionLandsInItsField) {
  const v1::ReconcileSpec spec = ParseReconcile(
      {"--min-size=0", "--max-size=1K", "--keep=newest", "--keep=glob:/a/**", "--protect=/b/**",
       "--action=reflink", "--scope=within-scan", "--min-copies=3", "--order=largest-first"});
  EXPECT_TRUE(spec.has_min_size());
  EXPECT_EQ(spec.max_size(), 1024U);
  ASSERT_EQ(spec.keep_size(), 2);
  EXPECT_EQ(spec.keep(1).pattern(), "/a/**");
  EXPECT_THAT(spec.protect(), ElementsAre("/b/**"));
  EXPECT_EQ(spec.action(), v1::ACTION_REFLINK);
  EXPECT_EQ(spec.scope(), v1::ReconcileSpec::SCOPE_WITHIN_SCAN);
  EXPECT_EQ(spec.min_copies(), 3U);
  EXPECT_EQ(spec.order(), v1::ReconcileSpec::ORDER_LARGEST_FIRST);
}

TEST(ApplyOptions, EveryOptionLandsInItsField) {
  CLI::App app;
  v1::ApplySpec spec;
  AddApplyOptions(app, spec);
  Parse(app, {"--metadata=ignore-times", "--verify=digest", "--undo-window=2d", "--max-changes=0",
              "--allow-unleased"});
  EXPECT_EQ(spec.metadata(), v1::ApplySpec::METADATA_POLICY_IGNORE_TIMES);
  EXPECT_EQ(spec.verify(), v1::ApplySpec::VERIFY_DIGEST);
  EXPECT_EQ(spec.undo_window().seconds(), 2 * 86400);
  EXPECT_TRUE(spec.has_max_changes() && spec.allow_unleased());
  for (const char* const wrong : {"--metadata=none", "--max-changes=-1", "--undo-window=-1"}) {
    EXPECT_THROW(Parse(app, {wrong}), CLI::ParseError) << wrong;
  }
}

TEST(ApplyOptions, NoneIsADefaultButThatItIsNoDryRun) {
  CLI::App app;
  ApplyRequest request;
  AddConsentOptions(app, request);
  AddApplyOptions(app, *request.spec.mutable_apply());
  v1::ApplySpec expected;
  expected.set_dry_run(false);
  Parse(app, {});
  EXPECT_EQ(request.spec.apply().SerializeAsString(), expected.SerializeAsString());
  Parse(app, {"--dry-run", "--yes"});
  EXPECT_TRUE(request.spec.apply().dry_run() && request.yes);
}

TEST(JobOptions, LabelsAndPriorityLandInTheSpec) {
  CLI::App app;
  v1::JobSpec spec;
  AddJobOptions(app, spec);
  Parse(app, {"--label=team=backup", "--label", "why=a=b", "--priority=-5"});
  EXPECT_EQ(spec.labels().at("team"), "backup");
  EXPECT_EQ(spec.labels().at("why"), "a=b");
  EXPECT_EQ(spec.priority(), -5);
  for (const char* const wrong :
       {"--label=team", "--label==x", "--label=k=\xff", "--priority=101", "--priority=x"}) {
    EXPECT_THROW(Parse(app, {wrong}), CLI::ParseError) << wrong;
  }
}

TEST(CommandLine, EveryCommandOfJobsTakesWhatItsHelpSays) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"pause", "a", "b"},
                                                    {"resume", "a"},
                                                    {"cancel", "a"},
                                                    {"delete", "--allow-missing", "a"},
                                                    {"delete", "--discard-undo", "a", "b"},
                                                    {"wait", "--timeout=5m", "a"},
                                                    {"wait", "a"},
                                                    {"list", "--label=k=v", "--label=l=w"}}) {
    Invocation invocation;
    std::vector<std::string> words = {"jobs"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Parse(*MakeCommandLine(invocation), words);
    EXPECT_TRUE(invocation.run) << arguments.front();
    EXPECT_FALSE(invocation.needs_lasting_server);
  }
}

TEST(CommandLine, ProgramOptionsStandBeforeOrAfterTheCommand) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--json", "--server=h:1", "jobs", "list"},
        std::vector<std::string>{"jobs", "list", "--json", "--server=h:1"}}) {
    Invocation invocation;
    Parse(*MakeCommandLine(invocation), arguments);
    EXPECT_TRUE(invocation.json);
    EXPECT_EQ(invocation.server, "h:1");
    EXPECT_TRUE(invocation.run);
  }
}

TEST(CommandLine, OnlyDetachingNeedsAServerThatStays) {
  Invocation invocation;
  Parse(*MakeCommandLine(invocation), {"scan", "/"});
  EXPECT_FALSE(invocation.needs_lasting_server);
  Parse(*MakeCommandLine(invocation), {"scan", "--detach", "/"});
  EXPECT_TRUE(invocation.needs_lasting_server);
}

TEST(CommandLine, WhatChangesFilesTakesItsOptionsAndMayDetach) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"apply", "--plan=a", "--plan=b", "--action=remove", "JOB"},
        std::vector<std::string>{"undo", "--dry-run", "--max-changes=1", "--priority=3", "JOB"}}) {
    Invocation invocation;
    Parse(*MakeCommandLine(invocation), arguments);
    EXPECT_TRUE(invocation.run && !invocation.needs_lasting_server);
    std::vector<std::string> detached = arguments;
    detached.emplace_back("--detach");
    Parse(*MakeCommandLine(invocation), detached);
    EXPECT_TRUE(invocation.needs_lasting_server);
  }
}

TEST(CommandLine, DedupeActsOnlyWhenToldHow) {
  Invocation invocation;
  Parse(*MakeCommandLine(invocation), {"dedupe", "--apply=reflink", "--yes", "--dry-run", "/"});
  EXPECT_TRUE(invocation.run);
  for (const char* const alone : {"--yes", "--dry-run", "--metadata=equal", "--max-changes=1"}) {
    EXPECT_THROW(Parse(*MakeCommandLine(invocation), {"dedupe", alone, "/"}), CLI::ParseError);
  }
  EXPECT_THROW(Parse(*MakeCommandLine(invocation), {"dedupe", "--apply=burn", "/"}),
               CLI::ParseError);
  EXPECT_THROW(
      Parse(*MakeCommandLine(invocation), {"dedupe", "--apply=remove", "--action=remove", "/"}),
      CLI::ParseError);
}

TEST(CommandLine, EveryCommandSaysWhatItDoesAndEveryOptionToo) {
  Invocation invocation;
  const auto root = MakeCommandLine(invocation);
  for (const CLI::App* command : root->get_subcommands(nullptr)) {
    EXPECT_FALSE(command->get_description().empty()) << command->get_name();
    EXPECT_THAT(command->get_footer(), HasSubstr("Examples:")) << command->get_name();
    for (const CLI::Option* option : command->get_options()) {
      EXPECT_FALSE(option->get_description().empty()) << option->get_name();
    }
  }
}

TEST(Completion, KnowsNestedCommandsAndInheritedOptions) {
  Invocation invocation;
  const auto root = MakeCommandLine(invocation);
  const std::string bash = CompletionScript(*root, Shell::kBash);
  EXPECT_THAT(bash, HasSubstr("\"jobs list\") command=\"jobs list\""));
  EXPECT_THAT(bash, HasSubstr("commands=\"list get watch wait cancel pause resume delete\""));
  EXPECT_THAT(bash, HasSubstr("--limit --state --kind --label --version --help --server"));
  EXPECT_THAT(bash,
              HasSubstr("commands=\"scan reconcile dedupe apply undo jobs scans completion\""));
  EXPECT_THAT(bash, HasSubstr("--dry-run --yes --max-changes --allow-unleased --label"));
  EXPECT_THAT(CompletionScript(*root, Shell::kZsh), HasSubstr("#compdef sluice"));
  EXPECT_THAT(CompletionScript(*root, Shell::kFish),
              HasSubstr("__fish_seen_subcommand_from jobs; and __fish_seen_subcommand_from watch"));
}

}  // namespace
}  // namespace sluice::cli
