#include "pipeline/stages/keep_rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/glob.h"

namespace sluice {
namespace {

using Criterion = KeepRule::Criterion;

struct Name {
  FileEntry file;
  std::uint32_t scan_index = 0;
};

KeepRule Rule(Criterion criterion) { return {.criterion = criterion, .glob = {}, .pattern = {}}; }

KeepRule Glob(const std::string& pattern) {
  return {
      .criterion = Criterion::kPathGlob, .glob = *GlobSet::Compile({pattern}), .pattern = pattern};
}

Name NameOf(std::string path, FileStat stat = {}, std::uint32_t scan_index = 0) {
  return {.file = {.path = std::move(path), .stat = stat, .digest = {}}, .scan_index = scan_index};
}

// The path chosen and the reason, "path; reason".
std::string Choose(const KeepRules& rules, const std::vector<Name>& names) {
  SourceChoice choice(rules);
  for (const Name& name : names) choice.Consider(name.file, name.scan_index);
  return absl::StrCat(choice.source().path, "; ", choice.Reason());
}

std::string Choose(std::vector<KeepRule> rules, const std::vector<Name>& names) {
  return Choose(KeepRules(std::move(rules), {{"/first", "/second"}, {"/other"}}), names);
}

constexpr std::int64_t kLeapDay = 1'709'208'000'000'000'000;  // 2024-02-29T12:00:00Z

TEST(KeepRules, RootOrderPrefersTheScanThenTheRootThatStandsFirst) {
  EXPECT_EQ(Choose({Rule(Criterion::kRootOrder)},
                   {NameOf("/other/a", {}, 1), NameOf("/second/b"), NameOf("/first/c")}),
            "/first/c; root order: first below /first");
  EXPECT_EQ(Choose({Rule(Criterion::kRootOrder)}, {NameOf("/other/a", {}, 1), NameOf("/lost/b")}),
            "/lost/b; root order: in the scan that comes first");
}

TEST(KeepRules, PathGlobPrefersWhatItMatchesAndWhatLiesBelow) {
  EXPECT_EQ(Choose({Glob("/archive")}, {NameOf("/a"), NameOf("/archive/x/y")}),
            "/archive/x/y; path glob: matches /archive");
}

TEST(KeepRules, OldestPrefersTheEarliestModification) {
  EXPECT_EQ(Choose({Rule(Criterion::kOldest)}, {NameOf("/a", {.modify_time_ns = kLeapDay + 1}),
                                                NameOf("/b", {.modify_time_ns = kLeapDay})}),
            "/b; oldest: modified 2024-02-29T12:00:00Z");
}

TEST(KeepRules, NewestPrefersTheLatestModificationAlsoBeforeTheEpoch) {
  EXPECT_EQ(Choose({Rule(Criterion::kNewest)}, {NameOf("/a", {.modify_time_ns = -2'000'000'000}),
                                                NameOf("/b", {.modify_time_ns = -1'999'999'995})}),
            "/b; newest: modified 1969-12-31T23:59:58.000000005Z");
}

TEST(KeepRules, ShortestPathCountsBytesAndDeepestPathComponents) {
  const std::vector<Name> names = {NameOf("/dd/b/c"), NameOf("/looooong"), NameOf("/short")};
  EXPECT_EQ(Choose({Rule(Criterion::kShortestPath)}, names), "/short; shortest path: 6 bytes");
  EXPECT_EQ(Choose({Rule(Criterion::kDeepestPath)}, names), "/dd/b/c; deepest path: 3 components");
}

TEST(KeepRules, MostLinksAndLowestInodeAskTheInode) {
  const std::vector<Name> names = {NameOf("/a", {.inode = 9, .link_count = 3}),
                                   NameOf("/b", {.inode = 7, .link_count = 2})};
  EXPECT_EQ(Choose({Rule(Criterion::kMostLinks)}, names), "/a; most links: 3");
  EXPECT_EQ(Choose({Rule(Criterion::kLowestInode)}, names), "/b; lowest inode: 7");
}

TEST(KeepRules, PathOrderDecidesWhatIsLeftUndecided) {
  EXPECT_EQ(Choose({Rule(Criterion::kOldest)}, {NameOf("/b"), NameOf("/a"), NameOf("/c")}),
            "/a; path order: first in byte order");
}

TEST(KeepRules, DefaultIsMostLinksThenOldestThenShortestPath) {
  const FileStat two_links{.modify_time_ns = 5, .link_count = 2};
  const FileStat older{.modify_time_ns = 4, .link_count = 2};
  EXPECT_EQ(Choose({}, {NameOf("/a", {.link_count = 1}), NameOf("/bb", two_links)}),
            "/bb; most links: 2");
  EXPECT_EQ(Choose({}, {NameOf("/a", two_links), NameOf("/bb", older)}),
            "/bb; oldest: modified 1970-01-01T00:00:00.000000004Z");
  EXPECT_EQ(Choose({}, {NameOf("/aa", older), NameOf("/b", older)}), "/b; shortest path: 2 bytes");
}

TEST(KeepRules, ReasonShowsNothingThatCannotBePrinted) {
  const KeepRules rules({Rule(Criterion::kRootOrder)}, {{"/r\xff", "/s"}});
  EXPECT_EQ(Choose(rules, {NameOf("/r\xff/a"), NameOf("/s/a")}),
            "/r\xff/a; root order: first below /r\\xff");
}

// The oracle applies the rules as they are described: each keeps the names that it prefers, and the
// one that leaves a single name has decided.
std::pair<std::string, Criterion> ChooseByElimination(const KeepRules& rules,
                                                      std::vector<Name> names) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto better = [&](const Name& a, const Name& b) {
      if (rules.rule(i).criterion == Criterion::kPathOrder) return a.file.path < b.file.path;
      return rules.KeyOf(i, a.file, a.scan_index) < rules.KeyOf(i, b.file, b.scan_index);
    };
    const Name best = *std::min_element(names.begin(), names.end(), better);
    std::erase_if(names, [&](const Name& name) { return better(best, name); });
    if (names.size() == 1) return {names[0].file.path, rules.rule(i).criterion};
  }
  return {};
}

TEST(SourceChoice, OnePassChoosesLikeElimination) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const KeepRules rules({Rule(Criterion::kMostLinks), Rule(Criterion::kOldest),
                         Rule(Criterion::kLowestInode), Rule(Criterion::kShortestPath)},
                        {});
  for (int round = 0; round < 2'000; ++round) {
    std::vector<Name> names;
    for (std::size_t i = 2 + random() % 6; i > 0; --i) {
      names.push_back(NameOf(absl::StrCat("/", std::string(random() % 2, 'x'), i),
                             {.modify_time_ns = static_cast<std::int64_t>(random() % 2),
                              .inode = random() % 2,
                              .link_count = static_cast<std::uint32_t>(random() % 2)}));
    }
    SourceChoice choice(rules);
    for (const Name& name : names) choice.Consider(name.file, name.scan_index);
    EXPECT_EQ(std::pair(choice.source().path, choice.deciding_rule().criterion),
              ChooseByElimination(rules, names));
  }
}

}  // namespace
}  // namespace sluice
