#include "pipeline/stages/enumerate.h"

#include <fcntl.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/directory_walker.h"
#include "pipeline/fs/private_directory.h"
#include "pipeline/ops/merge.h"
#include "pipeline/stages/fairness.h"
#include "pipeline/stages/walk_frontier.h"

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

  bool IsProtected(std::string_view name, const FileStat& directory) const {
    return name == kPrivateDirectory ||
           std::ranges::find(protected_, std::pair(directory.device, directory.inode)) !=
               protected_.end();
  }

 private:
  // What concerns directories, with all that is below them, and other files alike.
  std::optional<Reason> WhyLeftOut(const DirectoryWalker::Entry& entry, std::string_view relative,
                                   const FileStat& root) const {
    const bool is_directory = entry.stat.type == FileType::kDirectory;
    if (is_directory && IsProtected(entry.name, entry.stat)) return Reason::kProtected;
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
    const std::size_t slash = root.rfind('/');
    FileStat stat;
    if (directory.fd.valid() && StatFd(directory.fd.get(), &stat) == 0 &&
        policy.IsProtected(root.substr(slash + 1), stat)) {
      return true;
    }
    if (root == "/") break;
    root = root.substr(0, std::max<std::size_t>(slash, 1));
  }
  return false;
}

// What the hands of one walk share.
struct TreeWalk {
  TreeWalk(EnumerateOptions walk_options, EnumerateDeps walk_deps, std::size_t hands)
      : options(std::move(walk_options)),
        deps(std::move(walk_deps)),
        frontier(options.roots, hands) {}

  const EnumerateOptions options;
  const EnumerateDeps deps;
  const Policy policy{options, deps};
  WalkFrontier frontier;
};

using Items = std::vector<ScanItem>;

// What one hand has found and not yet handed on.
class Part final {
 public:
  explicit Part(std::size_t max_items) : max_items_(max_items) {}

  void Add(ScanItem item, std::size_t path_bytes) {
    items_.push_back(std::move(item));
    path_bytes_ += path_bytes;
  }
  void AddDelay(std::chrono::nanoseconds delay) {
    if (!items_.empty()) delay_ += delay;
  }

  bool empty() const { return items_.empty(); }
  bool IsDue() const {
    return items_.size() >= max_items_ || path_bytes_ >= kWalkPartPathBytes ||
           delay_ >= kWalkPartDelay;
  }
  Items Take() {
    path_bytes_ = 0;
    delay_ = {};
    Items next;
    next.reserve(std::min(max_items_, items_.size()));
    return std::exchange(items_, std::move(next));
  }

 private:
  const std::size_t max_items_;
  Items items_;
  std::size_t path_bytes_ = 0;
  std::chrono::nanoseconds delay_{};
};

// Applies the policy to one visit of the walker.
void TakeVisit(const TreeWalk& walk, std::string_view root, DirectoryWalker& walker,
               DirectoryWalker::Visit visit, Part& part) {
  if (auto* error = std::get_if<ItemError>(&visit)) {
    const std::size_t path_bytes = error->path.size();
    return part.Add(std::move(*error), path_bytes);
  }
  PipelineCounters& counters = walk.deps.counters;
  const auto& entry = std::get<DirectoryWalker::Entry>(visit);
  const bool is_regular = entry.stat.type == FileType::kRegular;
  counters.enumerate.Add(1, is_regular ? entry.stat.size : 0);
  std::string path(entry.path);
  const std::size_t path_bytes = path.size();
  if (path_bytes > walk.options.max_path_bytes) {
    return part.Add(MakeItemError(std::move(path), "stat", ENAMETOOLONG), path_bytes);
  }
  const std::size_t prefix = root == "/" ? 1 : root.size() + 1;
  const Verdict verdict = walk.policy.Judge(entry, entry.path.substr(prefix), walker.root_stat());
  if (verdict.enter) walker.Descend();
  const bool reports = verdict.skipped && walk.options.report_skipped;
  if (verdict.skipped) counters.skipped.fetch_add(1, std::memory_order_relaxed);
  if (reports) part.Add(SkippedItem{.path = path, .reason = *verdict.skipped}, path_bytes);
  if (verdict.record) part.Add(FileEntry{.path = std::move(path), .stat = entry.stat}, path_bytes);
}

// Whether the hand may begin to walk a root.
bool BeginRoot(const TreeWalk& walk, Subtree& subtree, Part& part) {
  const std::string& root = *subtree.root;
  if (BeginsInProtected(root, walk.policy, walk.deps.roots)) {
    walk.deps.counters.skipped.fetch_add(1, std::memory_order_relaxed);
    if (walk.options.report_skipped) {
      part.Add(SkippedItem{.path = root, .reason = Reason::kProtected}, root.size());
    }
    return false;
  }
  subtree.walker.emplace(walk.deps.roots, root);
  return true;
}

// One hand: goes through one subtree after the other, and gives of it to those who have none. What
// it found before is handed on first, so that no directory comes after its content.
AsyncGenerator<Items> WalkSubtrees(std::shared_ptr<TreeWalk> walk, std::size_t part_items) {
  const EnumerateDeps& deps = walk->deps;
  Part part(part_items);
  std::uint64_t seen = 0;
  while (auto subtree = co_await walk->frontier.Next(deps.executor, deps.stop)) {
    bool more = subtree->walker || BeginRoot(*walk, *subtree, part);
    while (more) {
      const bool turn_is_over = ++seen % kYieldItems == 0;
      if (turn_is_over && deps.executor != nullptr) co_await deps.executor->YieldIfBusy();
      ThrowIfStopRequested(deps.stop);
      DirectoryWalker& walker = *subtree->walker;
      std::optional<DirectoryWalker::Visit> visit = walker.Next();
      const std::chrono::nanoseconds busy = walker.TakeBusyTime();
      deps.counters.enumerate.AddBusy(busy);
      part.AddDelay(busy);
      more = visit.has_value();
      if (visit) TakeVisit(*walk, *subtree->root, walker, *std::move(visit), part);
      if (part.IsDue()) co_yield part.Take();
      if (!walk->frontier.is_anyone_idle()) continue;
      if (auto rest = walker.Split()) {
        if (!part.empty()) co_yield part.Take();
        walk->frontier.Offer({.root = subtree->root, .walker = std::move(rest)});
      }
    }
    if (!part.empty()) co_yield part.Take();
  }
}

AsyncGenerator<ScanItem> ItemsOf(AsyncGenerator<Items> parts, std::shared_ptr<TreeWalk> walk) {
  while (auto part = co_await parts.Next()) {
    for (ScanItem& item : *part) co_yield std::move(item);
  }
  walk->deps.counters.enumerated_all.store(true, std::memory_order_relaxed);
}

}  // namespace

AsyncGenerator<ScanItem> EnumerateTree(EnumerateOptions options, EnumerateDeps deps) {
  auto walk = std::make_shared<TreeWalk>(std::move(options), std::move(deps), 1);
  return ItemsOf(WalkSubtrees(walk, 1), walk);
}

AsyncGenerator<ScanItem> EnumerateTree(EnumerateOptions options, EnumerateDeps deps,
                                       JobScope& scope, std::size_t hands) {
  assert(hands >= 1);
  deps.executor = &scope.executor();
  if (hands == 1) return EnumerateTree(std::move(options), std::move(deps));
  auto walk = std::make_shared<TreeWalk>(std::move(options), std::move(deps), hands);
  std::vector<AsyncGenerator<Items>> walks;
  walks.reserve(hands);
  while (walks.size() < hands) walks.push_back(WalkSubtrees(walk, kWalkPartItems));
  return ItemsOf(Merge(scope, std::move(walks), hands), walk);
}

}  // namespace sluice
