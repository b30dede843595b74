#include "pipeline/fs/directory_walker.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"

#include "tests/unit/fs/ordinary_user.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

using Entry = DirectoryWalker::Entry;

struct Walk {
  std::vector<std::string> paths;  // Below the root, in the order of the visits.
  std::vector<ItemError> errors;
  std::size_t most_descriptors = 0;
  std::uint32_t deepest = 0;
};

// Walks on to the end, entering every directory. `on_entry(path below the root)` may change the
// tree.
template <typename OnEntry>
Walk WalkAll(DirectoryWalker& walker, const std::string& root, OnEntry on_entry) {
  Walk walk;
  while (auto visit = walker.Next()) {
    walk.most_descriptors = std::max(walk.most_descriptors, walker.open_descriptors());
    if (auto* error = std::get_if<ItemError>(&*visit)) {
      walk.errors.push_back(*error);
      continue;
    }
    const auto& entry = std::get<Entry>(*visit);
    EXPECT_TRUE(entry.path.ends_with("/" + std::string(entry.name)));
    walk.deepest = std::max(walk.deepest, entry.depth);
    walk.paths.emplace_back(entry.path.substr(root.size() + 1));
    if (entry.stat.type == FileType::kDirectory) walker.Descend();
    on_entry(walk.paths.back());
  }
  return walk;
}

Walk WalkAll(const TempTree& tree) {
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  return WalkAll(walker, tree.root(), [](const std::string&) {});
}

std::set<std::string> AsSet(const std::vector<std::string>& paths) {
  return {paths.begin(), paths.end()};
}

TEST(DirectoryWalker, VisitsEveryEntryOnce) {
  const TempTree tree;
  tree.Write("a/b/c");
  tree.Write("a/d");
  tree.MakeDirectory("empty");
  const Walk walk = WalkAll(tree);
  EXPECT_EQ(walk.paths.size(), 5U);
  EXPECT_EQ(AsSet(walk.paths), (std::set<std::string>{"a", "a/b", "a/b/c", "a/d", "empty"}));
  EXPECT_TRUE(walk.errors.empty());
  EXPECT_EQ(walk.deepest, 3U);
}

TEST(DirectoryWalker, GivesTheStatOfEachEntry) {
  const TempTree tree;
  tree.Write("file", "12345");
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  const auto visit = walker.Next();
  EXPECT_EQ(std::get<Entry>(*visit).stat, tree.Stat("file"));
  EXPECT_EQ(std::get<Entry>(*visit).depth, 1U);
  EXPECT_EQ(walker.root_stat().inode, tree.Stat("").inode);
}

TEST(DirectoryWalker, EntersOnlyWhereItIsTold) {
  const TempTree tree;
  tree.Write("a/b");
  tree.Write("c/d");
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  std::set<std::string> names;
  while (auto visit = walker.Next()) {
    const auto& entry = std::get<Entry>(*visit);
    names.emplace(entry.name);
    if (entry.name == "a") walker.Descend();
  }
  EXPECT_EQ(names, (std::set<std::string>{"a", "b", "c"}));
}

TEST(DirectoryWalker, NeverFollowsSymbolicLinks) {
  const TempTree tree;
  tree.MakeSymlink("self", ".");
  tree.MakeSymlink("up", "..");
  tree.MakeSymlink("loop", "loop");
  tree.MakeSymlink("etc", "/etc");
  EXPECT_EQ(AsSet(WalkAll(tree).paths), (std::set<std::string>{"self", "up", "loop", "etc"}));
}

TEST(DirectoryWalker, TakesNamesAsBytes) {
  const TempTree tree;
  const std::set<std::string> names = {"\xff\xfe", "new\nline", std::string(255, 'x'), " ", "\\",
                                       "...",      "\x01"};
  for (const std::string& name : names) tree.Write(name);
  EXPECT_EQ(AsSet(WalkAll(tree).paths), names);
}

TEST(DirectoryWalker, NeverOpensSpecialFiles) {
  const TempTree tree;
  tree.MakeFifo("fifo");  // To open it for reading would block.
  const Walk walk = WalkAll(tree);
  EXPECT_EQ(walk.paths, std::vector<std::string>{"fifo"});
  EXPECT_TRUE(walk.errors.empty());
}

TEST(DirectoryWalker, WalksDeeperThanDescriptorsAndPathsReach) {
  constexpr std::size_t kLevels = 3000;
  const TempTree tree(FastTempDir());
  const DeepChain chain(tree.root(), kLevels);
  const Walk walk = WalkAll(tree);
  EXPECT_EQ(walk.paths.size(), 2 * kLevels);
  EXPECT_EQ(AsSet(walk.paths).size(), 2 * kLevels);
  EXPECT_TRUE(walk.errors.empty());
  EXPECT_EQ(walk.deepest, kLevels + 1);
  EXPECT_LE(walk.most_descriptors, DirectoryWalker::kOpenLevels);
}

TEST(DirectoryWalker, ListsAHundredThousandFilesOfOneDirectory) {
  constexpr std::size_t kFiles = 100'000;
  constexpr std::size_t kLinks = 50'000;  // Names of one file: far cheaper than files.
  const TempTree tree(FastTempDir());
  std::string file;
  for (std::size_t i = 0; i < kFiles; ++i) {
    const std::string name = "file" + std::to_string(i);
    if (i % kLinks == 0) {
      tree.Write(file = name);
    } else {
      tree.MakeHardLink(name, file);
    }
  }
  const Walk walk = WalkAll(tree);
  EXPECT_EQ(walk.paths.size(), kFiles);
  EXPECT_EQ(AsSet(walk.paths).size(), kFiles);
}

// Several buffers long, each level of a chain beyond what stays open is given up in the middle.
TEST(DirectoryWalker, GoesOnWhereItHadGivenALevelUp) {
  constexpr std::size_t kFiles = 1500;
  const TempTree tree;
  const DeepChain first(tree.MakeDirectory("first"), 2 * DirectoryWalker::kOpenLevels);
  const DeepChain second(tree.MakeDirectory("second"), 3 * DirectoryWalker::kOpenLevels);
  for (std::size_t i = 0; i < kFiles; ++i) tree.Write(std::string(60, 'x') + std::to_string(i));
  const Walk walk = WalkAll(tree);
  const std::size_t expected = kFiles + 2 + 2 * 5 * DirectoryWalker::kOpenLevels;
  EXPECT_EQ(walk.paths.size(), expected);
  EXPECT_EQ(AsSet(walk.paths).size(), expected);
  EXPECT_TRUE(walk.errors.empty());
}

TEST(DirectoryWalker, GoesOnAfterADirectoryThatMayNotBeRead) {
  const TempTree tree;
  tree.Write("locked/inner");
  tree.Write("open/inner");
  ::chmod(tree.root().c_str(), 0755);
  ::chmod(tree.Path("locked").c_str(), 0);
  Walk walk;
  {
    const AsOrdinaryUser ordinary;
    walk = WalkAll(tree);
  }
  ::chmod(tree.Path("locked").c_str(), 0700);
  EXPECT_EQ(AsSet(walk.paths), (std::set<std::string>{"locked", "open", "open/inner"}));
  ASSERT_EQ(walk.errors.size(), 1U);
  EXPECT_EQ(walk.errors[0].path, tree.Path("locked"));
  EXPECT_EQ(walk.errors[0].operation, "open directory");
  EXPECT_EQ(walk.errors[0].reason, ItemError::Reason::kPermissionDenied);
}

TEST(DirectoryWalker, ReportsARootThatCannotBeOpened) {
  const TempTree tree;
  const std::string file = tree.Write("file");
  const AllowedRoots roots = tree.Roots();
  const auto only_error = [&](const std::string& root) {
    DirectoryWalker walker(roots, root);
    const ItemError error = std::get<ItemError>(*walker.Next());
    EXPECT_FALSE(walker.Next());
    EXPECT_EQ(error.path, root);
    return error.error_number;
  };
  EXPECT_EQ(only_error(tree.Path("missing")), ENOENT);
  EXPECT_EQ(only_error(file), ENOTDIR);
  EXPECT_EQ(only_error("/etc"), EACCES);
}

TEST(DirectoryWalker, JoinsNamesToTheTopDirectoryWithoutASecondSlash) {
  const AllowedRoots roots = *AllowedRoots::Open({"/"});
  DirectoryWalker walker(roots, "/");
  const auto visit = walker.Next();
  const auto& entry = std::get<Entry>(*visit);
  EXPECT_EQ(entry.path, "/" + std::string(entry.name));
}

TEST(DirectoryWalker, ClosesEverythingWhenDroppedHalfWay) {
  const TempTree tree;
  const DeepChain chain(tree.root(), 10);
  const AllowedRoots roots = tree.Roots();
  const std::size_t before = CountOpenDescriptors();
  {
    DirectoryWalker walker(roots, tree.root());
    for (int i = 0; i < 10; ++i) {
      const auto visit = walker.Next();
      if (std::get<Entry>(*visit).stat.type == FileType::kDirectory) walker.Descend();
    }
    EXPECT_GT(CountOpenDescriptors(), before);
  }
  EXPECT_EQ(CountOpenDescriptors(), before);
}

// All are listed at the first visit, and most are gone before it is their turn to be statted.
TEST(DirectoryWalker, ReportsNamesThatVanishedAfterTheyWereListed) {
  constexpr std::size_t kFiles = 3 * DirectoryWalker::kStatAhead;
  const TempTree tree;
  for (std::size_t i = 0; i < kFiles; ++i) tree.Write("f" + std::to_string(i));
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  bool first = true;
  const Walk walk = WalkAll(walker, tree.root(), [&](const std::string&) {
    if (!std::exchange(first, false)) return;
    for (std::size_t i = 0; i < kFiles; ++i) tree.Remove("f" + std::to_string(i));
  });
  EXPECT_EQ(walk.paths.size(), DirectoryWalker::kStatAhead);
  EXPECT_EQ(walk.errors.size(), kFiles - DirectoryWalker::kStatAhead);
  for (const ItemError& error : walk.errors) {
    EXPECT_EQ(error.operation, "stat");
    EXPECT_EQ(error.reason, ItemError::Reason::kVanished);
  }
}

TEST(DirectoryWalker, StatsNothingBehindADirectoryBeforeItsContentIsWalked) {
  const TempTree tree;
  for (const char* name : {"a", "b", "c"}) tree.Write(std::string(name) + "/inner");
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  const Walk walk = WalkAll(walker, tree.root(), [&](const std::string& path) {
    if (!path.ends_with("/inner")) return;
    for (const std::string name : {"a", "b", "c"}) {
      if (!path.starts_with(name)) std::filesystem::remove_all(tree.Path(name));
    }
  });
  EXPECT_EQ(walk.paths.size(), 2U) << "one directory and its file";
  EXPECT_EQ(walk.errors.size(), 2U);
}

// What `change` did to the directory "victim" between its visit and its opening.
template <typename Change>
ItemError ErrorAfter(const TempTree& tree, Change change) {
  tree.Write("victim/inner");
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  const Walk walk = WalkAll(walker, tree.root(), [&](const std::string& path) {
    if (path == "victim") change();
  });
  EXPECT_EQ(walk.paths, std::vector<std::string>{"victim"});
  EXPECT_EQ(walk.errors.size(), 1U);
  return walk.errors.empty() ? ItemError() : walk.errors[0];
}

TEST(DirectoryWalker, EntersNoSymbolicLinkThatTookADirectorysPlace) {
  const TempTree tree;
  const TempTree elsewhere;
  const ItemError error = ErrorAfter(tree, [&] {
    std::rename(tree.Path("victim").c_str(), elsewhere.Path("moved").c_str());
    tree.MakeSymlink("victim", "/etc");
  });
  EXPECT_EQ(error.reason, ItemError::Reason::kChanged);
  EXPECT_EQ(error.operation, "open directory");
}

TEST(DirectoryWalker, EntersNoOtherDirectoryThatTookADirectorysPlace) {
  const TempTree tree;
  const TempTree elsewhere;
  const ItemError error = ErrorAfter(tree, [&] {
    std::rename(tree.Path("victim").c_str(), elsewhere.Path("moved").c_str());
    tree.Write("victim/planted");
  });
  EXPECT_EQ(error.reason, ItemError::Reason::kChanged);
  EXPECT_EQ(error.error_number, 0);
}

TEST(DirectoryWalker, ReportsADirectoryThatVanished) {
  const TempTree tree;
  const ItemError error = ErrorAfter(tree, [&] { tree.Remove("victim"); });
  EXPECT_EQ(error.reason, ItemError::Reason::kVanished);
  EXPECT_EQ(error.path, tree.Path("victim"));
}

// The levels between were given up, and cannot be opened again: what is left of each is an error,
// and the walk goes on above them.
TEST(DirectoryWalker, LosesOnlyWhatWasMovedAwayWhileItWasGivenUp) {
  constexpr std::size_t kLevels = 2 * DirectoryWalker::kOpenLevels;
  const TempTree tree;
  const DeepChain chain(tree.root(), kLevels);
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  const Walk walk = WalkAll(walker, tree.root(), [&](const std::string& path) {
    if (path.size() != 2 * kLevels - 1 || path.ends_with('f')) return;  // Not the deepest.
    tree.Rename("d/d", "aside");
    tree.MakeDirectory("d/d");
  });
  tree.Remove("d/d");
  tree.Rename("aside", "d/d");
  ASSERT_FALSE(walk.errors.empty());
  for (const ItemError& error : walk.errors) {
    EXPECT_EQ(error.operation, "open directory");
    EXPECT_LT(error.path.size(), tree.root().size() + 2 * DirectoryWalker::kOpenLevels + 2);
    EXPECT_GE(error.path.size(), tree.Path("d/d").size());
  }
  EXPECT_LE(walk.errors.size(), DirectoryWalker::kOpenLevels);
}

// Every part that can be split off is, again and again. One visit of each part in turn.
Walk WalkInParts(const TempTree& tree, std::size_t* parts) {
  const AllowedRoots roots = tree.Roots();
  std::deque<DirectoryWalker> walkers;
  walkers.emplace_back(roots, tree.root());
  Walk walk;
  for (*parts = 1; !walkers.empty();) {
    DirectoryWalker walker = std::move(walkers.front());
    walkers.pop_front();
    std::optional<DirectoryWalker::Visit> visit = walker.Next();
    if (!visit) continue;
    EXPECT_LE(walker.open_descriptors(), DirectoryWalker::kOpenLevels);
    EXPECT_EQ(walker.root_stat().inode, tree.Stat("").inode);
    if (auto* error = std::get_if<ItemError>(&*visit)) {
      walk.errors.push_back(*error);
    } else {
      const auto& entry = std::get<Entry>(*visit);
      walk.paths.emplace_back(entry.path.substr(tree.root().size() + 1));
      EXPECT_EQ(entry.depth, 1 + std::ranges::count(walk.paths.back(), '/'));
      if (entry.stat.type == FileType::kDirectory) walker.Descend();
    }
    while (auto rest = walker.Split()) {
      walkers.push_back(*std::move(rest));
      ++*parts;
    }
    walkers.push_back(std::move(walker));
  }
  return walk;
}

TEST(DirectoryWalkerSplit, PartsVisitTogetherWhatOneWalkWould) {
  constexpr std::size_t kDirectories = 20;
  const TempTree tree;
  for (std::size_t i = 0; i < kDirectories; ++i) {
    const std::string top = "d" + std::to_string(i);
    for (std::size_t j = 0; j < 2 * i; ++j) tree.Write(top + "/s/f" + std::to_string(j));
    tree.Write(top + "/f");
  }
  std::size_t parts = 0;
  const Walk walk = WalkInParts(tree, &parts);
  EXPECT_GT(parts, 5U);
  EXPECT_TRUE(walk.errors.empty());
  EXPECT_EQ(AsSet(walk.paths), AsSet(WalkAll(tree).paths));
  EXPECT_EQ(walk.paths.size(), AsSet(walk.paths).size()) << "something was visited twice";
}

TEST(DirectoryWalkerSplit, GoesOnWithLevelsThatWereGivenUp) {
  const TempTree tree;
  const DeepChain first(tree.MakeDirectory("first"), 3 * DirectoryWalker::kOpenLevels);
  const DeepChain second(tree.MakeDirectory("second"), 2 * DirectoryWalker::kOpenLevels);
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  std::vector<std::string> paths;
  std::vector<DirectoryWalker> parts;
  const auto visit_all = [&](DirectoryWalker& part) {
    while (auto visit = part.Next()) {
      const auto& entry = std::get<Entry>(*visit);
      paths.emplace_back(entry.path);
      if (entry.stat.type == FileType::kDirectory) part.Descend();
      // From the deepest point: all levels above are given away, most of them closed.
      if (entry.depth == 3 * DirectoryWalker::kOpenLevels) {
        while (auto rest = part.Split()) parts.push_back(*std::move(rest));
      }
    }
  };
  visit_all(walker);
  while (!parts.empty()) {
    DirectoryWalker part = std::move(parts.back());
    parts.pop_back();
    visit_all(part);
  }
  EXPECT_EQ(paths.size(), 2 + 2 * 5 * DirectoryWalker::kOpenLevels);
  EXPECT_EQ(AsSet(paths).size(), paths.size());
}

TEST(DirectoryWalkerSplit, GivesNothingOfASingleDirectory) {
  const TempTree tree;
  tree.Write("a");
  tree.Write("b");
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  EXPECT_FALSE(walker.Split()) << "before it has begun";
  EXPECT_TRUE(walker.Next());
  EXPECT_FALSE(walker.Split());
  EXPECT_TRUE(walker.Next());
  EXPECT_FALSE(walker.Next());
  EXPECT_FALSE(walker.Split()) << "at its end";
}

TEST(DirectoryWalkerSplit, GivesNothingOfDirectoriesThatAreAtTheirEnd) {
  const TempTree tree;
  tree.Write("only/f");
  const AllowedRoots roots = tree.Roots();
  DirectoryWalker walker(roots, tree.root());
  ASSERT_TRUE(walker.Next());
  walker.Descend();
  ASSERT_TRUE(walker.Next());
  EXPECT_FALSE(walker.Split());
  EXPECT_FALSE(walker.Next());
}

}  // namespace
}  // namespace sluice
