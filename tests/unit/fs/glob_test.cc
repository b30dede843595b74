#include "pipeline/fs/glob.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

GlobSet Globs(const std::vector<std::string>& patterns) { return *GlobSet::Compile(patterns); }

bool Matches(const std::string& pattern, std::string_view path) {
  return Globs({pattern}).Matches(path, GlobSet::Kind::kFile);
}

bool MatchesDirectory(const std::string& pattern, std::string_view path) {
  return Globs({pattern}).Matches(path, GlobSet::Kind::kDirectory);
}

TEST(GlobSet, MatchesANameAtAnyDepth) {
  EXPECT_TRUE(Matches("*.o", "a.o"));
  EXPECT_TRUE(Matches("*.o", "src/lib/a.o"));
  EXPECT_FALSE(Matches("*.o", "a.out"));
  EXPECT_FALSE(Matches("lib", "src/lib/a.o")) << "below a match is not a match";
}

TEST(GlobSet, AnchorsAPatternWithASlash) {
  EXPECT_TRUE(Matches("/a.o", "a.o"));
  EXPECT_TRUE(Matches("/a.o", "/a.o")) << "a leading slash of the path does not count";
  EXPECT_FALSE(Matches("/a.o", "src/a.o"));
  EXPECT_TRUE(Matches("src/a.o", "src/a.o"));
  EXPECT_FALSE(Matches("src/a.o", "x/src/a.o"));
}

TEST(GlobSet, MatchesDirectoriesOnlyWithASlashAtTheEnd) {
  EXPECT_TRUE(MatchesDirectory("build/", "x/build"));
  EXPECT_FALSE(Matches("build/", "x/build"));
  EXPECT_TRUE(MatchesDirectory("/build/", "build"));
}

TEST(GlobSet, StopsStarsAndQuestionMarksAtASlash) {
  EXPECT_TRUE(Matches("/a*c", "abbbc"));
  EXPECT_FALSE(Matches("/a*c", "ab/bc"));
  EXPECT_FALSE(Matches("/a?c", "a/c"));
  EXPECT_FALSE(Matches("/*", "a/b"));
  EXPECT_TRUE(Matches("/**", "a/b"));
}

TEST(GlobSet, MatchesAnyNumberOfComponentsWithTwoStars) {
  for (const auto* path : {"foo", "a/foo", "a/b/foo"}) EXPECT_TRUE(Matches("**/foo", path)) << path;
  for (const auto* path : {"a/b", "a/x/b", "a/x/y/b"}) EXPECT_TRUE(Matches("a/**/b", path)) << path;
  EXPECT_FALSE(Matches("a/**/b", "a/xb"));
  EXPECT_TRUE(Matches("a/**", "a/x/y"));
  EXPECT_FALSE(Matches("a/**", "a")) << "what is inside, not the directory itself";
  EXPECT_TRUE(Matches("a/**/**/b/**/c", "a/b/x/b/c"));
  EXPECT_TRUE(Matches("x**y", "x-y")) << "two stars within a name are a star";
}

TEST(GlobSet, MatchesBrackets) {
  EXPECT_TRUE(Matches("[a-c]x", "bx"));
  EXPECT_FALSE(Matches("[!a-c]x", "bx"));
  EXPECT_TRUE(Matches("[^a-c]x", "dx"));
  EXPECT_TRUE(Matches("[]-]", "]"));
  EXPECT_TRUE(Matches("[]-]", "-"));
  EXPECT_TRUE(Matches("[\\]]", "]"));
  EXPECT_TRUE(Matches("[\x80-\xff]", "\xfe")) << "bytes, not characters";
}

TEST(GlobSet, TakesTheByteAfterABackslashLiterally) {
  EXPECT_TRUE(Matches("\\*", "*"));
  EXPECT_FALSE(Matches("\\*", "a"));
  EXPECT_TRUE(Matches("\\!a", "!a"));
  EXPECT_TRUE(Matches("#a", "#a"));
}

TEST(GlobSet, LetsTheLastMatchingPatternDecide) {
  const GlobSet globs = Globs({"*.log", "!keep.log", "old/keep.log"});
  EXPECT_TRUE(globs.Matches("a.log", GlobSet::Kind::kFile));
  EXPECT_FALSE(globs.Matches("x/keep.log", GlobSet::Kind::kFile));
  EXPECT_TRUE(globs.Matches("old/keep.log", GlobSet::Kind::kFile));
}

TEST(GlobSet, MatchesBelowADirectoryWhenAsked) {
  const GlobSet globs = Globs({"docs/"});
  EXPECT_TRUE(globs.MatchesWithParents("x/docs/a/b", GlobSet::Kind::kFile));
  EXPECT_FALSE(globs.Matches("x/docs/a/b", GlobSet::Kind::kFile));
  EXPECT_FALSE(globs.MatchesWithParents("x/docs", GlobSet::Kind::kFile));
  EXPECT_TRUE(globs.MatchesWithParents("x/docs", GlobSet::Kind::kDirectory));
}

TEST(GlobSet, MatchesNothingWhenEmpty) {
  EXPECT_TRUE(GlobSet().empty());
  EXPECT_FALSE(GlobSet().Matches("a", GlobSet::Kind::kFile));
  EXPECT_FALSE(GlobSet().MatchesWithParents("a/b", GlobSet::Kind::kFile));
  EXPECT_FALSE(Globs({"*"}).Matches("/", GlobSet::Kind::kDirectory)) << "the base has no name";
}

TEST(GlobSet, RefusesPatternsThatMeanNothing) {
  for (const std::string& pattern :
       {std::string(), std::string("!"), std::string("/"), std::string("!//"), std::string("[a"),
        std::string("[]"), std::string("[a\\"), std::string("a\\"), std::string("x/[a/b]"),
        std::string("[[:alpha:]]"), std::string(4097, 'a')}) {
    EXPECT_EQ(GlobSet::Compile({"ok", pattern}).status().code(), absl::StatusCode::kInvalidArgument)
        << pattern;
  }
}

TEST(GlobSet, SaysWhichPatternIsWrongAndWhy) {
  const absl::Status status = GlobSet::Compile({"a", "[b"}).status();
  EXPECT_EQ(status.message(), "glob \"[b\": a bracket that is not closed");
}

// With exponential backtracking, or even a polynomial of the number of stars, none of these would
// end within the timeout of the test.
TEST(GlobSet, TakesNoLongerForPathologicalPatterns) {
  std::string stars;
  std::string any_components = "**/";
  std::string path;
  for (int i = 0; i < 400; ++i) {
    stars += "*a";
    any_components += "a/**/";
    path += "a/";
  }
  EXPECT_FALSE(Matches(stars + "b", std::string(4000, 'a')));
  EXPECT_FALSE(Matches(any_components + "b", path + path + "c"));
  EXPECT_FALSE(Matches(any_components + stars + "b", path + path + std::string(255, 'a')));
  EXPECT_TRUE(Matches(any_components + "c", path + path + "c"));
}

}  // namespace
}  // namespace sluice
