#include "pipeline/stages/keep_rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/glob.h"
#include "pipeline/fs/path_text.h"

namespace sluice {

namespace {

using Criterion = KeepRule::Criterion;

constexpr std::uint64_t kNoRoot = std::numeric_limits<std::uint32_t>::max();

// Orders unsigned as the times do signed.
std::uint64_t KeyOfTime(std::int64_t time_ns) {
  return static_cast<std::uint64_t>(time_ns) ^ (std::uint64_t{1} << 63);
}

std::uint64_t ComponentsOf(std::string_view path) {
  return static_cast<std::uint64_t>(std::count(path.begin(), path.end(), '/'));
}

// RFC 3339 in UTC; the fraction only where there is one.
std::string TimeText(std::int64_t time_ns) {
  constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
  const char* format =
      time_ns % kNanosPerSecond == 0 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%E9SZ";
  return absl::FormatTime(format, absl::FromUnixNanos(time_ns), absl::UTCTimeZone());
}

std::vector<KeepRule> Completed(std::vector<KeepRule> rules) {
  if (rules.empty()) {
    for (const Criterion criterion :
         {Criterion::kMostLinks, Criterion::kOldest, Criterion::kShortestPath}) {
      rules.push_back({.criterion = criterion, .glob = {}, .pattern = {}});
    }
  }
  // Paths differ, so nothing after it could decide anything.
  const auto path_order = std::find_if(rules.begin(), rules.end(), [](const KeepRule& rule) {
    return rule.criterion == Criterion::kPathOrder;
  });
  rules.erase(path_order, rules.end());
  rules.push_back({.criterion = Criterion::kPathOrder, .glob = {}, .pattern = {}});
  return rules;
}

}  // namespace

KeepRules::KeepRules(std::vector<KeepRule> rules, std::vector<std::vector<std::string>> roots)
    : rules_(Completed(std::move(rules))), roots_(std::move(roots)) {}

std::uint64_t KeepRules::KeyOf(std::size_t index, const FileEntry& file,
                               std::uint32_t scan_index) const {
  switch (rules_[index].criterion) {
    case Criterion::kRootOrder: {
      const std::string* root = RootOf(file.path, scan_index);
      const std::uint64_t position =
          root == nullptr ? kNoRoot : static_cast<std::uint64_t>(root - roots_[scan_index].data());
      return std::uint64_t{scan_index} << 32 | position;
    }
    case Criterion::kPathGlob:
      return rules_[index].glob.MatchesWithParents(file.path, GlobSet::Kind::kFile) ? 0 : 1;
    case Criterion::kOldest:
      return KeyOfTime(file.stat.modify_time_ns);
    case Criterion::kNewest:
      return ~KeyOfTime(file.stat.modify_time_ns);
    case Criterion::kShortestPath:
      return file.path.size();
    case Criterion::kDeepestPath:
      return ~ComponentsOf(file.path);
    case Criterion::kMostLinks:
      return ~std::uint64_t{file.stat.link_count};
    case Criterion::kLowestInode:
      return file.stat.inode;
    case Criterion::kPathOrder:
      break;
  }
  return 0;
}

std::string KeepRules::ReasonFor(std::size_t index, const FileEntry& file,
                                 std::uint32_t scan_index) const {
  switch (rules_[index].criterion) {
    case Criterion::kRootOrder: {
      const std::string* root = RootOf(file.path, scan_index);
      if (root == nullptr) return "root order: in the scan that comes first";
      return absl::StrCat("root order: first below ", PrintablePath(*root));
    }
    case Criterion::kPathGlob:
      return absl::StrCat("path glob: matches ", PrintablePath(rules_[index].pattern));
    case Criterion::kOldest:
      return absl::StrCat("oldest: modified ", TimeText(file.stat.modify_time_ns));
    case Criterion::kNewest:
      return absl::StrCat("newest: modified ", TimeText(file.stat.modify_time_ns));
    case Criterion::kShortestPath:
      return absl::StrCat("shortest path: ", file.path.size(), " bytes");
    case Criterion::kDeepestPath:
      return absl::StrCat("deepest path: ", ComponentsOf(file.path), " components");
    case Criterion::kMostLinks:
      return absl::StrCat("most links: ", file.stat.link_count);
    case Criterion::kLowestInode:
      return absl::StrCat("lowest inode: ", file.stat.inode);
    case Criterion::kPathOrder:
      break;
  }
  return "path order: first in byte order";
}

const std::string* KeepRules::RootOf(std::string_view path, std::uint32_t scan_index) const {
  if (scan_index >= roots_.size()) return nullptr;
  for (const std::string& root : roots_[scan_index]) {
    if (IsWithin(path, root)) return &root;
  }
  return nullptr;
}

// A rival is beaten by the first rule in which it differs from the choice, and `deciding_` is the
// last of these. When a newcomer beats the choice by rule d, it beats every former rival by a rule
// no later than d: one that the choice beat earlier than d lost by a key that the newcomer shares,
// any other one has the choice's key in rule d, or a worse one. So rule d decides from then on.
bool SourceChoice::Consider(const FileEntry& file, std::uint32_t scan_index) {
  const std::size_t last = rules_->size() - 1;
  std::size_t rule = 0;
  bool wins = !best_;
  if (best_) {
    std::uint64_t key = 0;
    while (rule < last && (key = rules_->KeyOf(rule, file, scan_index)) == keys_[rule]) ++rule;
    wins = rule < last ? key < keys_[rule] : file.path < best_->path;
  }
  deciding_ = wins ? rule : std::max(deciding_, rule);
  if (!wins) return false;
  best_ = file;
  best_scan_ = scan_index;
  for (; rule < last; ++rule) keys_[rule] = rules_->KeyOf(rule, file, scan_index);
  return true;
}

}  // namespace sluice
