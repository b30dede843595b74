#include "pipeline/fs/path_text.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace sluice {
namespace {

using std::string_literals::operator""s;

TEST(PrintablePath, IsThePathWhereItIsText) {
  for (const auto* path : {"/a b/c", "", "/\u00e4\u20ac\U0001F600", "/back\\slash", "/\u00a0"}) {
    EXPECT_TRUE(IsPrintable(path)) << path;
    EXPECT_EQ(PrintablePath(path), path);
  }
}

TEST(PrintablePath, EscapesControlCharacters) {
  EXPECT_EQ(PrintablePath("/a\nb"), "/a\\x0ab");
  EXPECT_EQ(PrintablePath("/\x1b[31m\x7f"), "/\\x1b[31m\\x7f");
  EXPECT_EQ(PrintablePath("/\u0080\u009f"), "/\\xc2\\x80\\xc2\\x9f");
}

TEST(PrintablePath, DoublesBackslashesOnlyWhereSomethingIsEscaped) {
  EXPECT_EQ(PrintablePath("/a\\x0a"), "/a\\x0a");
  EXPECT_EQ(PrintablePath("/a\\x0a\n"), "/a\\\\x0a\\x0a");
}

TEST(PrintablePath, EscapesEachByteThatIsNoUtf8) {
  EXPECT_EQ(PrintablePath("/\xff\xfe"), "/\\xff\\xfe");
  EXPECT_EQ(PrintablePath("/\xe2\x82"), "/\\xe2\\x82") << "cut short";
  EXPECT_EQ(PrintablePath("/\xe2\x82x"), "/\\xe2\\x82x") << "cut short in the middle";
  EXPECT_EQ(PrintablePath("/\xc0\xaf"), "/\\xc0\\xaf") << "overlong";
  EXPECT_EQ(PrintablePath("/\xe0\x9f\xbf"), "/\\xe0\\x9f\\xbf") << "overlong";
  EXPECT_EQ(PrintablePath("/\xf0\x8f\xbf\xbf"), "/\\xf0\\x8f\\xbf\\xbf") << "overlong";
  EXPECT_EQ(PrintablePath("/\xed\xa0\x80"), "/\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(PrintablePath("/\xf4\x90\x80\x80"), "/\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
}

TEST(PrintablePath, KeepsTextBesideWhatItEscapes) {
  EXPECT_EQ(PrintablePath("/\u00e4\xff\u00e4"), "/\u00e4\\xff\u00e4");
}

TEST(NormalizePath, ResolvesByTheTextAlone) {
  EXPECT_EQ(NormalizePath("/"), "/");
  EXPECT_EQ(NormalizePath("//a///b/"), "/a/b");
  EXPECT_EQ(NormalizePath("/a/./b/."), "/a/b");
  EXPECT_EQ(NormalizePath("/a/b/../c"), "/a/c");
  EXPECT_EQ(NormalizePath("/../../a/.."), "/");
  EXPECT_EQ(NormalizePath("/.../..a"), "/.../..a");
}

TEST(NormalizePath, RefusesRelativePathsAndZeroBytes) {
  EXPECT_EQ(NormalizePath(""), std::nullopt);
  EXPECT_EQ(NormalizePath("a/b"), std::nullopt);
  EXPECT_EQ(NormalizePath("./a"), std::nullopt);
  EXPECT_EQ(NormalizePath("/a\0b"s), std::nullopt);
}

TEST(PathComponents, LeavesOutEmptyOnes) {
  EXPECT_EQ(PathComponents("//a//b/"), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_TRUE(PathComponents("/").empty());
  EXPECT_TRUE(PathComponents("").empty());
}

TEST(IsWithin, ComparesWholeComponents) {
  EXPECT_TRUE(IsWithin("/data", "/data"));
  EXPECT_TRUE(IsWithin("/data/a", "/data"));
  EXPECT_FALSE(IsWithin("/database", "/data"));
  EXPECT_FALSE(IsWithin("/dat", "/data"));
  EXPECT_TRUE(IsWithin("/anything", "/"));
}

TEST(JoinPath, PutsOneSlashBetween) {
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
}

}  // namespace
}  // namespace sluice
