#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/cli/values.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseTime, TakesRfc3339WithNanoseconds) {
  const auto time = ParseTime("2024-02-29T12:00:00.5Z");
  ASSERT_TRUE(time.ok());
  EXPECT_EQ(time->seconds(), 1709208000);
  EXPECT_EQ(time->nanos(), 500'000'000);
}

TEST(ParseTime, TimesBefore1970HaveNonNegativeNanoseconds) {
  const auto time = ParseTime("1969-12-31T23:59:59.25Z");
  ASSERT_TRUE(time.ok());
  EXPECT_EQ(time->seconds(), -1);
  EXPECT_EQ(time->nanos(), 250'000'000);
}

TEST(ParseTime, TakesADateAndRefusesAllElse) {
  EXPECT_TRUE(ParseTime("2024-02-29").ok());
  EXPECT_THAT(std::string(ParseTime("yesterday").status().message()), HasSubstr("yesterday"));
  EXPECT_FALSE(ParseTime("2023-02-29").ok());
}

TEST(ParseKeepRule, TakesWordsAndGlobs) {
  EXPECT_EQ(ParseKeepRule("most-links")->criterion(), v1::KeepRule::CRITERION_MOST_LINKS);
  const auto glob = ParseKeepRule("glob:/data/**");
  EXPECT_EQ(glob->criterion(), v1::KeepRule::CRITERION_PATH_GLOB);
  EXPECT_EQ(glob->pattern(), "/data/**");
  EXPECT_FALSE(ParseKeepRule("glob:").ok());
  EXPECT_FALSE(ParseKeepRule("luckiest").ok());
}

TEST(ResourceName, CompletesABareIdOnly) {
  EXPECT_EQ(ResourceName("jobs", "1"), "jobs/1");
  EXPECT_EQ(ResourceName("jobs", "jobs/1"), "jobs/1");
}

// A directory with a link to itself, which ends with the test.
class RootsTest : public testing::Test {
 protected:
  RootsTest() {
    std::string pattern = fs::temp_directory_path() / "sluice-roots-XXXXXX";
    directory_ = fs::canonical(mkdtemp(pattern.data()));
    fs::create_directory_symlink(directory_, directory_ / "link");
  }
  ~RootsTest() override { fs::remove_all(directory_); }

  fs::path directory_;
};

TEST_F(RootsTest, ResolvesTheLinkThatAnArgumentIs) {
  EXPECT_EQ(AbsolutePath(directory_ / "link").value(), directory_);
  EXPECT_EQ(AbsolutePath(directory_ / "." / "link/").value(), directory_);
}

TEST_F(RootsTest, WhatIsNotHereIsTakenAsTheServersWhereItIsAbsolute) {
  EXPECT_EQ(AbsolutePath("/not/here/").value(), "/not/here");
  EXPECT_TRUE(absl::IsNotFound(AbsolutePath("not/here").status()));
}

TEST_F(RootsTest, RootsAreTextAsLongAsAllAreThatAndElseBytesInTheirOrder) {
  v1::ScanSpec text;
  ASSERT_TRUE(SetRoots({directory_, "/other"}, text).ok());
  EXPECT_THAT(text.roots(), ElementsAre(directory_.string(), "/other"));

  v1::ScanSpec bytes;
  ASSERT_TRUE(SetRoots({directory_, "/not\xff utf-8"}, bytes).ok());
  EXPECT_THAT(bytes.roots(), IsEmpty());
  EXPECT_THAT(bytes.raw_roots(), ElementsAre(directory_.string(), "/not\xff utf-8"));
}

TEST(TakesSeconds, UnderstandsUnits) {
  std::uint32_t given = 0;
  CLI::App app;
  TakesSeconds(app.add_option("--timeout", given, "So long"));
  const std::vector<std::pair<std::string, std::uint32_t>> meanings = {
      {"90", 90}, {"90s", 90}, {"5m", 300}, {"2h", 7200}, {"1d", 86400}, {"0", 0}};
  for (const auto& [text, seconds] : meanings) {
    app.parse("--timeout=" + text);
    EXPECT_EQ(given, seconds) << text;
  }
  for (const char* const wrong : {"-1", "5 weeks", "soon", "99999999999h"}) {
    EXPECT_THROW(app.parse(std::string("--timeout=") + wrong), CLI::ParseError) << wrong;
  }
}

}  // namespace
}  // namespace sluice::cli
