#include "client/cli/spec_options.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "client/cli/values.h"
#include "pipeline/fs/path_text.h"

namespace sluice::cli {

namespace {

constexpr char kFilterGroup[] = "What is taken";
constexpr char kReadGroup[] = "Reading";
constexpr char kPlanGroup[] = "Plans";
constexpr char kChangeGroup[] = "Changes";
constexpr char kJobGroup[] = "The job";

[[noreturn]] void ThrowUsage(const std::string& option, const absl::Status& status) {
  throw CLI::ValidationError(option, std::string(status.message()));
}

template <typename Set>
CLI::Option* AddSize(CLI::App& command, const std::string& name, Set set,
                     const std::string& description) {
  return TakesSize(command.add_option_function<std::uint64_t>(name, std::move(set), description));
}

// An option that names one value of an enumeration.
template <typename Enum, typename Set>
CLI::Option* AddChoice(CLI::App& command, const std::string& name,
                       const std::map<std::string, Enum>& choices, Set set,
                       const std::string& description) {
  std::vector<std::string> words;
  words.reserve(choices.size());
  for (const auto& [word, value] : choices) words.push_back(word);
  return command
      .add_option_function<std::string>(
          name, [choices, set](const std::string& word) { set(choices.at(word)); }, description)
      ->check(CLI::IsMember(words).description(""))
      ->type_name(CLI::detail::join(words, "|"));
}

// A repeatable option whose every value is put in by `add`, which gives a status.
template <typename Add>
CLI::Option* AddEach(CLI::App& command, const std::string& name, Add add,
                     const std::string& description) {
  return command
      .add_option_function<std::vector<std::string>>(
          name,
          [name, add](const std::vector<std::string>& values) {
            for (const std::string& value : values) {
              if (const absl::Status status = add(value); !status.ok()) ThrowUsage(name, status);
            }
          },
          description)
      ->allow_extra_args(false);
}

// Patterns travel as text.
template <typename Add>
CLI::Option* AddGlobs(CLI::App& command, const std::string& name, Add add,
                      const std::string& description) {
  const auto add_checked = [add](const std::string& glob) -> absl::Status {
    if (!IsPrintable(glob)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", PrintablePath(glob), "\" is no printable UTF-8: write ? for such a character"));
    }
    add(glob);
    return absl::OkStatus();
  };
  return AddEach(command, name, add_checked, description)->type_name("GLOB");
}

template <typename Mutable>
CLI::Option* AddTime(CLI::App& command, const std::string& name, Mutable mutable_time,
                     const std::string& description) {
  return command
      .add_option_function<std::string>(
          name,
          [name, mutable_time](const std::string& text) {
            const auto time = ParseTime(text);
            if (!time.ok()) ThrowUsage(name, time.status());
            *mutable_time() = *time;
          },
          description)
      ->type_name("TIME");
}

const std::map<std::string, v1::FileType>& TypesByWord() {
  static const auto* const types = new std::map<std::string, v1::FileType>{
      {"file", v1::FILE_TYPE_REGULAR},
      {"directory", v1::FILE_TYPE_DIRECTORY},
      {"symlink", v1::FILE_TYPE_SYMLINK},
      {"fifo", v1::FILE_TYPE_FIFO},
      {"socket", v1::FILE_TYPE_SOCKET},
      {"char-device", v1::FILE_TYPE_CHARACTER_DEVICE},
      {"block-device", v1::FILE_TYPE_BLOCK_DEVICE},
  };
  return *types;
}

void AddTypes(CLI::App& command, v1::ScanSpec& spec) {
  std::vector<std::string> words;
  for (const auto& [word, type] : TypesByWord()) words.push_back(word);
  AddEach(
      command, "--type",
      [&spec, words](const std::string& word) -> absl::Status {
        const auto found = TypesByWord().find(word);
        if (found == TypesByWord().end()) {
          return absl::InvalidArgumentError(absl::StrCat("\"", word, "\" is no type: write one of ",
                                                         CLI::detail::join(words, ", ")));
        }
        spec.add_types(found->second);
        return absl::OkStatus();
      },
      "Types to record; repeatable. Default: all but directories")
      ->type_name(CLI::detail::join(words, "|"))
      ->group(kFilterGroup);
}

template <typename Spec>
void AddSizeBounds(CLI::App& command, Spec& spec, const std::string& least) {
  AddSize(
      command, "--min-size", [&spec](std::uint64_t size) { spec.set_min_size(size); },
      "Only files of at least this size (10M = 10 x 1024 x 1024). Default: " + least)
      ->group(kFilterGroup);
  AddSize(
      command, "--max-size", [&spec](std::uint64_t size) { spec.set_max_size(size); },
      "Only files of at most this size. Default: no bound")
      ->group(kFilterGroup);
}

// How content is read, by either kind of job.
template <typename Spec>
void AddReaderOptions(CLI::App& command, Spec& spec) {
  AddChoice<v1::DigestAlgorithm>(
      command, "--algorithm",
      {{"sha256", v1::DIGEST_ALGORITHM_SHA256},
       {"blake2b-256", v1::DIGEST_ALGORITHM_BLAKE2B_256},
       {"xxh3-128", v1::DIGEST_ALGORITHM_XXH3_128}},
      [&spec](v1::DigestAlgorithm algorithm) { spec.set_digest_algorithm(algorithm); },
      "How content is digested; xxh3-128 is fast, and not safe against crafted collisions. "
      "Default: sha256")
      ->group(kReadGroup);
  command
      .add_option_function<std::uint32_t>(
          "--read-threads", [&spec](std::uint32_t threads) { spec.set_read_threads(threads); },
          "Files that are read at a time. Default: one per processor of the server")
      ->check(CLI::Range(1, 64).description(""))
      ->type_name("1-64")
      ->group(kReadGroup);
}

}  // namespace

void AddRootOptions(CLI::App& command, v1::ScanSpec& spec) {
  command
      .add_option_function<std::vector<std::string>>(
          "PATH",
          [&spec](const std::vector<std::string>& paths) {
            if (const absl::Status status = SetRoots(paths, spec); !status.ok()) {
              ThrowUsage("PATH", status);
            }
          },
          "Directories to walk; none may lie beneath another")
      ->required()
      ->type_name("");
}

void AddFilterOptions(CLI::App& command, v1::ScanSpec& spec) {
  AddGlobs(
      command, "--include", [&spec](const std::string& glob) { spec.add_include(glob); },
      "Take only files whose path below PATH matches one of these; repeatable")
      ->group(kFilterGroup);
  AddGlobs(
      command, "--exclude", [&spec](const std::string& glob) { spec.add_exclude(glob); },
      "Leave out what matches, a directory with all below it; repeatable")
      ->group(kFilterGroup);
  AddSizeBounds(command, spec, "none");
  AddTime(
      command, "--modified-after", [&spec] { return spec.mutable_modified_after(); },
      "Only files modified at this time or later (2024-02-29 or 2024-02-29T12:00:00Z)")
      ->group(kFilterGroup);
  AddTime(
      command, "--modified-before", [&spec] { return spec.mutable_modified_before(); },
      "Only files modified before this time")
      ->group(kFilterGroup);
  command
      .add_flag_callback(
          "--skip-hidden", [&spec] { spec.set_skip_hidden(true); },
          "Leave out names that begin with a dot")
      ->group(kFilterGroup);
  command
      .add_flag_callback(
          "--one-file-system", [&spec] { spec.set_one_file_system(true); },
          "Stay on the file system of each PATH")
      ->group(kFilterGroup);
  command
      .add_option_function<std::uint32_t>(
          "--max-depth", [&spec](std::uint32_t depth) { spec.set_max_depth(depth); },
          "Levels below PATH; 1 = its own entries only. Default: all")
      ->group(kFilterGroup);
}

void AddScanOptions(CLI::App& command, v1::ScanSpec& spec) {
  AddTypes(command, spec);
  AddChoice<v1::DigestPolicy>(
      command, "--digest",
      {{"none", v1::DIGEST_POLICY_NONE},
       {"candidates", v1::DIGEST_POLICY_CANDIDATES},
       {"all", v1::DIGEST_POLICY_ALL}},
      [&spec](v1::DigestPolicy policy) { spec.set_digest_policy(policy); },
      "Which files are read: none, those that share their size with another, all. Default: none")
      ->group(kReadGroup);
  AddReaderOptions(command, spec);
  command
      .add_flag_callback(
          "--report-skipped", [&spec] { spec.set_report_skipped(true); },
          "Say what was left out, and why (counted always)")
      ->group(kReadGroup);
}

void AddSizeOptions(CLI::App& command, v1::ReconcileSpec& spec) {
  AddSizeBounds(command, spec, "1, which leaves empty files out");
}

void AddPlanOptions(CLI::App& command, v1::ReconcileSpec& spec) {
  AddEach(
      command, "--keep",
      [&spec](const std::string& text) {
        const auto rule = ParseKeepRule(text);
        if (rule.ok()) *spec.add_keep() = *rule;
        return rule.status();
      },
      absl::StrCat("Rule that chooses the file to keep; repeatable, applied in order until one is "
                   "left: ",
                   KeepRuleWords(), ". Default: most-links, oldest, shortest-path"))
      ->type_name("RULE")
      ->group(kPlanGroup);
  AddGlobs(
      command, "--protect", [&spec](const std::string& glob) { spec.add_protect(glob); },
      "Never plan to change absolute paths that match; repeatable")
      ->group(kPlanGroup);
  AddAction(
      command, "--action", [&spec](v1::Action action) { spec.set_action(action); },
      "What the plans propose for the other copies. Default: hardlink")
      ->group(kPlanGroup);
  AddChoice<v1::ReconcileSpec::Scope>(
      command, "--scope",
      {{"across-scans", v1::ReconcileSpec::SCOPE_ACROSS_SCANS},
       {"within-scan", v1::ReconcileSpec::SCOPE_WITHIN_SCAN},
       {"across-volumes", v1::ReconcileSpec::SCOPE_ACROSS_VOLUMES}},
      [&spec](v1::ReconcileSpec::Scope scope) { spec.set_scope(scope); },
      "Which files are compared with each other. Default: across-scans")
      ->group(kPlanGroup);
  command
      .add_option_function<std::uint32_t>(
          "--min-copies", [&spec](std::uint32_t copies) { spec.set_min_copies(copies); },
          "Report groups of at least so many files. Default: 2")
      ->group(kPlanGroup);
  AddChoice<v1::ReconcileSpec::Order>(
      command, "--order",
      {{"by-potential", v1::ReconcileSpec::ORDER_BY_POTENTIAL},
       {"largest-first", v1::ReconcileSpec::ORDER_LARGEST_FIRST}},
      [&spec](v1::ReconcileSpec::Order order) { spec.set_order(order); },
      "by-potential: groups as soon as they are decided; largest-first: strictly by what they give "
      "back, once all is read. Default: by-potential")
      ->group(kPlanGroup);
  AddReaderOptions(command, spec);
}

CLI::Option* AddAction(CLI::App& command, const std::string& name,
                       std::function<void(v1::Action)> set, const std::string& description) {
  return AddChoice<v1::Action>(command, name,
                               {{"hardlink", v1::ACTION_HARDLINK},
                                {"reflink", v1::ACTION_REFLINK},
                                {"symlink", v1::ACTION_SYMLINK},
                                {"remove", v1::ACTION_REMOVE}},
                               std::move(set), description);
}

void AddApplyOptions(CLI::App& command, v1::ApplySpec& spec) {
  AddChoice<v1::ApplySpec::MetadataPolicy>(
      command, "--metadata",
      {{"equal", v1::ApplySpec::METADATA_POLICY_REQUIRE_EQUAL},
       {"ignore-times", v1::ApplySpec::METADATA_POLICY_IGNORE_TIMES},
       {"take-source", v1::ApplySpec::METADATA_POLICY_TAKE_SOURCE}},
      [&spec](v1::ApplySpec::MetadataPolicy policy) { spec.set_metadata(policy); },
      "What a file may give up for that of the kept one, where it becomes a link: nothing, its "
      "modification time, all but its owner. Default: equal")
      ->group(kChangeGroup);
  AddChoice<v1::ApplySpec::Verify>(
      command, "--verify",
      {{"bytes", v1::ApplySpec::VERIFY_BYTES}, {"digest", v1::ApplySpec::VERIFY_DIGEST}},
      [&spec](v1::ApplySpec::Verify verify) { spec.set_verify(verify); },
      "How files are compared in the moment of the change: byte for byte, or each by its digest. "
      "Default: bytes")
      ->group(kChangeGroup);
  TakesSeconds(
      command.add_option_function<std::uint32_t>(
          "--undo-window",
          [&spec](std::uint32_t seconds) { spec.mutable_undo_window()->set_seconds(seconds); },
          "How long it can be undone, and what was removed is kept (90s, 12h, 30d); 0: "
          "not at all. Default: 7d"))
      ->group(kChangeGroup);
  AddChangeOptions(command, spec);
}

void AddChangeOptions(CLI::App& command, v1::ApplySpec& spec) {
  command
      .add_option_function<std::uint64_t>(
          "--max-changes", [&spec](std::uint64_t changes) { spec.set_max_changes(changes); },
          "End after so many changes. Default: no bound")
      // Without the check, -1 would be the largest of all numbers.
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->type_name("N")
      ->group(kChangeGroup);
  command
      .add_flag_callback(
          "--allow-unleased", [&spec] { spec.set_allow_unleased(true); },
          "Change files also where the file system cannot tell whether somebody has them open "
          "(NFS, "
          "overlayfs, FUSE ...): only where nobody writes to them meanwhile")
      ->group(kChangeGroup);
}

void AddLabels(CLI::App& command, google::protobuf::Map<std::string, std::string>& labels,
               const std::string& description) {
  AddEach(
      command, "--label",
      [&labels](const std::string& text) {
        const auto label = ParseLabel(text);
        if (label.ok()) labels[label->first] = label->second;
        return label.status();
      },
      description)
      ->type_name("KEY=VALUE");
}

void AddJobOptions(CLI::App& command, v1::JobSpec& spec) {
  AddLabels(command, *spec.mutable_labels(), "Label the job, for `jobs list --label`; repeatable");
  command.get_option("--label")->group(kJobGroup);
  command
      .add_option_function<std::int32_t>(
          "--priority", [&spec](std::int32_t priority) { spec.set_priority(priority); },
          "Where jobs wait for their turn, those of a higher priority go first. Default: 0")
      ->check(CLI::Range(-100, 100).description(""))
      ->type_name("-100..100")
      ->group(kJobGroup);
}

}  // namespace sluice::cli
