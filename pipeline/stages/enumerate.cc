#include "pipeline/stages/enumerate.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <variant>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/directory_walker.h"
#include "pipeline/stages/fairness.h"

namespace sluice {

namespace {

using Reason = SkippedItem::Reason;

// What becomes of one entry. A directory may be recorded, entered, both or neither.
struct Verdict {
  bool record = false;
  bool enter = false;
  std::optional<Reason> skipped;
};

// The options as a function of an entry.
class Policy final {
 public:
  Policy(const EnumerateOptions& options, const EnumerateDeps& deps)
      : options_(options), protected_(deps.protected_directories) {}

  // `relative` is the entry's path below the root.
  Verdict Judge(const DirectoryWalker::Entry& entry, std::string_view relative,
                const FileStat& root) const {
    const bool is_directory = entry.stat.type == FileType::kDirectory;
    if (auto reason = WhyLeftOut(entry, relative, root)) return {.skipped = reason};
    if (is_directory) return JudgeDirectory(entry);
    if (auto reason = WhyNotTaken(entry, relative)) return {.skipped = reason};
    return {.record = true};
  }

  bool IsProtected(const FileStat& directory) const {
    return std::ranges::find(protected_, std::pair(directory.device, directory.inode)) !=
           protected_.end();
  }

 private:
  // What concerns directories, with all that is below them, and other files alike.
  std::optional<Reason> WhyLeftOut(const DirectoryWalker::Entry& entry, std::string_view relative,
                                   const FileStat& root) const {
    const bool is_directory = entry.stat.type == FileType::kDirectory;
    if (is_directory && IsProtected(entry.stat)) return Reason::kProtected;
    if (options_.skip_hidden && entry.name.starts_with('.')) return Reason::kHidden;
    const auto kind = is_directory ? GlobSet::Kind::kDirectory : GlobSet::Kind::kFile;
    if (options_.exclude.Matches(relative, kind)) return Reason::kGlob;
    if (options_.one_file_system && entry.stat.device != root.device) return Reason::kMount;
    return std::nullopt;
  }

  Verdict JudgeDirectory(const DirectoryWalker::Entry& entry) const {
    const bool too_deep = options_.max_depth && entry.depth >= *options_.max_depth;
    return {.record = Takes(FileType::kDirectory),
            .enter = !too_deep,
            .skipped = too_deep ? std::optional(Reason::kDepth) : std::nullopt};
  }

  std::optional<Reason> WhyNotTaken(const DirectoryWalker::Entry& entry,
                                    std::string_view relative) const {
    if (!Takes(entry.stat.type)) return Reason::kType;
    if (!options_.include.empty() &&
        !options_.include.MatchesWithParents(relative, GlobSet::Kind::kFile)) {
      return Reason::kGlob;
    }
    if (entry.stat.type != FileType::kRegular) return std::nullopt;
    const std::uint64_t size = entry.stat.size;
    if (size < options_.min_size.value_or(size) || size > options_.max_size.value_or(size)) {
      return Reason::kSize;
    }
    const std::int64_t time = entry.stat.modify_time_ns;
    if (time < options_.modified_after_ns.value_or(time)) return Reason::kTime;
    if (options_.modified_before_ns && time >= *options_.modified_before_ns) return Reason::kTime;
    return std::nullopt;
  }

  bool Takes(FileType type) const {
    if (options_.types.empty()) return type != FileType::kDirectory;
    return std::ranges::find(options_.types, type) != options_.types.end();
  }

  const EnumerateOptions& options_;
  const std::vector<std::pair<std::uint64_t, std::uint64_t>>& protected_;
};

// Whether a root is a protected directory or lies in one, as far as the allowed roots let it see:
// a walk that begins there would not come by the directory itself.
bool BeginsInProtected(std::string_view root, const Policy& policy, const AllowedRoots& roots) {
  while (roots.Allows(root)) {
    const AllowedRoots::OpenResult directory = roots.OpenPath(root, O_PATH | O_DIRECTORY);
    FileStat stat;
    if (directory.fd.valid() && StatFd(directory.fd.get(), &stat) == 0 &&
        policy.IsProtected(stat)) {
      return true;
    }
    if (root == "/") break;
    root = root.substr(0, std::max<std::size_t>(root.rfind('/'), 1));
  }
  return false;
}

}  // namespace

AsyncGenerator<ScanItem> EnumerateTree(EnumerateOptions options, EnumerateDeps deps) {
  const Policy policy(options, deps);
  std::uint64_t seen = 0;
  for (const std::string& root : options.roots) {
    const std::size_t prefix = root == "/" ? 1 : root.size() + 1;
    if (BeginsInProtected(root, policy, deps.roots)) {
      deps.counters.skipped.fetch_add(1, std::memory_order_relaxed);
      if (options.report_skipped) co_yield SkippedItem{.path = root, .reason = Reason::kProtected};
      continue;
    }
    DirectoryWalker walker(deps.roots, root);
    while (true) {
      const bool turn_is_over = ++seen % kYieldItems == 0;
      if (turn_is_over && deps.executor != nullptr) co_await deps.executor->YieldIfBusy();
      ThrowIfStopRequested(deps.stop);
      std::optional<DirectoryWalker::Visit> visit = walker.Next();
      deps.counters.enumerate.AddBusy(walker.TakeBusyTime());
      if (!visit) break;
      if (auto* error = std::get_if<ItemError>(&*visit)) {
        co_yield std::move(*error);
        continue;
      }
      auto& entry = std::get<DirectoryWalker::Entry>(*visit);
      const bool is_regular = entry.stat.type == FileType::kRegular;
      deps.counters.enumerate.Add(1, is_regular ? entry.stat.size : 0);
      if (entry.path.size() > options.max_path_bytes) {
        co_yield MakeItemError(std::string(entry.path), "stat", ENAMETOOLONG);
        continue;
      }
      const Verdict verdict = policy.Judge(entry, entry.path.substr(prefix), walker.root_stat());
      if (verdict.enter) walker.Descend();
      if (verdict.skipped) deps.counters.skipped.fetch_add(1, std::memory_order_relaxed);
      if (verdict.record) co_yield FileEntry{.path = std::string(entry.path), .stat = entry.stat};
      if (verdict.skipped && options.report_skipped) {
        co_yield SkippedItem{.path = std::string(entry.path), .reason = *verdict.skipped};
      }
    }
  }
  deps.counters.enumerated_all.store(true, std::memory_order_relaxed);
}

}  // namespace sluice
