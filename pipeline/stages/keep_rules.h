#ifndef SLUICE_PIPELINE_STAGES_KEEP_RULES_H_
#define SLUICE_PIPELINE_STAGES_KEEP_RULES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/fs/file.h"
#include "pipeline/fs/glob.h"

namespace sluice {

// A rule that prefers some copies of a group over others; see sluice.v1.KeepRule.
struct KeepRule {
  enum class Criterion : std::uint8_t {
    kRootOrder,
    kPathGlob,
    kOldest,
    kNewest,
    kShortestPath,
    kDeepestPath,
    kMostLinks,
    kLowestInode,
    kPathOrder,
  };
  Criterion criterion = Criterion::kPathOrder;
  GlobSet glob;         // kPathGlob only.
  std::string pattern;  // Its text.
};

// Chooses the source of truth of a group
// ======================================
//
// The rules are applied in order; each keeps the copies it prefers, until one is left. Since every
// rule is an ordering, the choice is the lexicographic minimum, found in one pass:
//
//   SourceChoice choice(rules);
//   for (const CandidateFile& name : group) choice.Consider(name.file, name.scan_index);
//   choice.source(), choice.deciding_rule(), choice.Reason()
//
// Without rules MOST_LINKS, OLDEST and SHORTEST_PATH are in force; PATH_ORDER decides what is left.
// Immutable, thread-safe.
class KeepRules final {
 public:
  // `roots` of each scan, for kRootOrder.
  KeepRules(std::vector<KeepRule> rules, std::vector<std::vector<std::string>> roots);

  std::size_t size() const { return rules_.size(); }
  const KeepRule& rule(std::size_t index) const { return rules_[index]; }

  // What rule `index` orders by: it prefers the smallest. Rules of kPathOrder, which compares paths
  // themselves, give 0.
  std::uint64_t KeyOf(std::size_t index, const FileEntry& file, std::uint32_t scan_index) const;

  // In words, why rule `index` prefers `file`: "oldest: modified 2024-02-29T12:00:00Z".
  std::string ReasonFor(std::size_t index, const FileEntry& file, std::uint32_t scan_index) const;

 private:
  // The first root of the scan that `path` lies in; nullptr where none is.
  const std::string* RootOf(std::string_view path, std::uint32_t scan_index) const;

  std::vector<KeepRule> rules_;  // The last one is kPathOrder.
  std::vector<std::vector<std::string>> roots_;
};

// Memory: that of one copy. Not thread-safe. Lifetime: `rules` outlives it.
class SourceChoice final {
 public:
  explicit SourceChoice(const KeepRules& rules) : rules_(&rules), keys_(rules.size()) {}

  // True when `file` is the choice by now.
  bool Consider(const FileEntry& file, std::uint32_t scan_index);

  // REQUIRES (all): something was considered.
  const FileEntry& source() const { return *best_; }
  // The rule that left one candidate: the first one by which the choice beats its strongest rival.
  const KeepRule& deciding_rule() const { return rules_->rule(deciding_); }
  std::string Reason() const { return rules_->ReasonFor(deciding_, *best_, best_scan_); }

 private:
  const KeepRules* rules_;
  std::optional<FileEntry> best_;
  std::uint32_t best_scan_ = 0;
  std::vector<std::uint64_t> keys_;  // Of best_, by rule.
  std::size_t deciding_ = 0;         // The last rule by which any rival was beaten.
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_KEEP_RULES_H_
