#include "tests/unit/stages/apply/apply_rig.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <variant>

#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"

namespace sluice {
namespace {

constexpr std::int64_t kOldSeconds = 1'600'000'000;

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

AsyncGenerator<StoredPlan> Yield(std::vector<StoredPlan> plans) {
  for (StoredPlan& plan : plans) co_yield std::move(plan);
}

Task<> Collect(AsyncGenerator<ApplyItem> items, std::size_t limit, ApplyRig::Run* run) {
  while (limit-- > 0) {
    auto item = co_await items.Next();
    if (!item) break;
    if (auto* outcome = std::get_if<ApplyOutcome>(&*item)) {
      run->outcomes.push_back(std::move(*outcome));
    } else {
      run->checkpoints.push_back(std::get<ApplyCheckpoint>(*item).position);
    }
  }
}

template <typename Fn>
void ForEachPath(const std::string& root, Fn fn) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string below = entry.path().lexically_relative(root).string();
    if (entry.is_directory() && !entry.is_symlink()) continue;
    if (!below.starts_with(kPrivateDirectory)) fn(below, entry);
  }
}

}  // namespace

unsigned FromEnvironment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? otherwise : static_cast<unsigned>(std::stoul(value));
}

std::string ApplyDir() {
  // Nothing changes the environment of a test.
  const char* directory = std::getenv("SLUICE_APPLY_DIR");  // NOLINT(concurrency-mt-unsafe)
  return directory != nullptr ? directory : FastTempDir();
}

void ApplyRig::MakeGroup(const std::vector<std::string>& names, const std::string& content) {
  for (const std::string& name : names) {
    const std::string path = tree_.Write(name, content);
    const timespec times[2] = {{.tv_sec = kOldSeconds, .tv_nsec = 0},
                               {.tv_sec = kOldSeconds, .tv_nsec = 5}};
    ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }
  AddPlan(PlanOf(names));
}

StoredPlan ApplyRig::PlanOf(const std::vector<std::string>& names) const {
  StoredPlan stored;
  Plan& plan = stored.plan;
  for (const std::string& name : names) {
    plan.copies.push_back({.file = {.path = Path(name), .stat = tree_.Stat(name), .digest = {}},
                           .shares_storage_with = {}});
  }
  const std::string content = ReadAll(Path(names.front()));
  plan.source_of_truth = plan.copies.front().file;
  plan.size = content.size();
  plan.digest = DigestOf(DigestAlgorithm::kSha256,
                         {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
  return stored;
}

void ApplyRig::AddPlan(StoredPlan plan) {
  plan.sequence = plans_.size() + 1;
  if (plan.name.empty()) plan.name = absl::StrCat("plans/p", plan.sequence);
  plans_.push_back(std::move(plan));
}

ApplyRig::Run ApplyRig::Drain(AsyncGenerator<ApplyItem> (*start)(ApplyRig&, const ApplyOptions&,
                                                                 ApplyDeps),
                              const ApplyOptions& options, FsOps& fs, const std::string& journal,
                              std::optional<ApplyPosition> resume_after,
                              std::optional<std::size_t> items) {
  InlineExecutor executor;
  JobScope scope(executor);
  Run run;
  const bool executes = options.mode == ApplyOptions::Mode::kExecute;
  executor.Run(Collect(start(*this, options,
                             {.fs = fs,
                              .roots = roots_,
                              .scope = scope,
                              .counters = counters_,
                              .job_id = journal == this->journal() ? "job" : "undo",
                              .journal_path = executes ? journal : "",
                              .resume_after = resume_after}),
                       items.value_or(SIZE_MAX), &run));
  executor.Run(scope.Join());
  return run;
}

ApplyRig::Run ApplyRig::Apply(const ApplyOptions& options, FsOps& fs,
                              std::optional<ApplyPosition> resume_after,
                              std::optional<std::size_t> items) {
  const auto start = [](ApplyRig& rig, const ApplyOptions& with, ApplyDeps deps) {
    return sluice::Apply(Yield(rig.plans_), with, deps);
  };
  return Drain(start, options, fs, journal(), resume_after, items);
}

ApplyRig::Run ApplyRig::Undo(ApplyOptions options, FsOps& fs) {
  const auto start = [](ApplyRig& rig, const ApplyOptions& with, ApplyDeps deps) {
    return sluice::Undo(rig.journal(), with, deps);
  };
  return Drain(start, options, fs, undo_journal(), std::nullopt, std::nullopt);
}

void ApplyRig::RenumberDevices(const std::string& journal) {
  const std::string renumbered = journal + ".new";
  auto reader = ValueOrThrow(ApplyJournal::Reader::Open(journal));
  auto writer = ValueOrThrow(ApplyJournal::Open(renumbered));
  while (auto record = ValueOrThrow(reader.Next())) {
    if (auto* intent = std::get_if<ChangeIntent>(&*record)) {
      ++intent->old_inode.device;
      ++intent->kept_inode.device;
    }
    ThrowIfError(writer->Append(*record));
  }
  std::filesystem::rename(renumbered, journal);
}

ApplyRig::Run ApplyRig::ApplyAs(const std::string& job, std::vector<StoredPlan> plans,
                                const ApplyOptions& options, FsOps& fs) const {
  InlineExecutor executor;
  JobScope scope(executor);
  PipelineCounters counters;
  Run run;
  executor.Run(Collect(sluice::Apply(Yield(std::move(plans)), options,
                                     {.fs = fs,
                                      .roots = roots_,
                                      .scope = scope,
                                      .counters = counters,
                                      .job_id = job,
                                      .journal_path = JournalOf(job),
                                      .resume_after = std::nullopt}),
                       SIZE_MAX, &run));
  executor.Run(scope.Join());
  return run;
}

std::map<std::string, std::string> ApplyRig::Contents() const {
  std::map<std::string, std::string> contents;
  ForEachPath(tree_.root(), [&](const std::string& below, const auto& entry) {
    contents[below] = entry.is_regular_file() ? ReadAll(entry.path()) : "(no file)";
  });
  return contents;
}

std::map<std::string, std::uint64_t> ApplyRig::Inodes() const {
  std::map<std::string, std::uint64_t> inodes;
  ForEachPath(tree_.root(), [&](const std::string& below, const auto&) {
    inodes[below] = tree_.Stat(below).inode;
  });
  return inodes;
}

std::size_t ApplyRig::CountPrivate() const {
  if (!HasPrivateDirectory()) return 0;
  const std::filesystem::directory_iterator files(tree_.Path(kPrivateDirectory));
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

bool ApplyRig::HasPrivateDirectory() const {
  return std::filesystem::exists(tree_.Path(kPrivateDirectory));
}

}  // namespace sluice
