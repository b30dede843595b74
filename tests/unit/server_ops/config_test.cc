#include "server/ops/config.h"

#include <cstdlib>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::variant<Config, EarlyExit> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "sluiced");
  return ParseConfig(static_cast<int>(arguments.size()), arguments.data());
}
Config Parsed(const std::vector<const char*>& arguments) {
  return std::get<Config>(Parse(arguments));
}
EarlyExit Exited(const std::vector<const char*>& arguments) {
  return std::get<EarlyExit>(Parse(arguments));
}

// Set for one test, which has no other thread.
class Variable final {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    setenv(name, value, 1);  // NOLINT(concurrency-mt-unsafe)
  }
  ~Variable() { unsetenv(name_); }  // NOLINT(concurrency-mt-unsafe)
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST(Config, ListsAreRepeatedFlags) {
  const Config config = Parsed({"--allow_root=/a", "--allow_root", "/b", "--listen=127.0.0.1:1"});
  EXPECT_THAT(config.allow_root, ElementsAre("/a", "/b"));
  EXPECT_THAT(config.listen, ElementsAre("127.0.0.1:1"));
}

TEST(Config, WithoutAnAddressTheDefaultSocketIsServed) {
  const Variable runtime("XDG_RUNTIME_DIR", "/run/user/7");
  EXPECT_THAT(Parsed({}).listen, ElementsAre("unix:/run/user/7/sluice/sluiced.sock"));
}

TEST(Config, FlagWinsOverEnvironmentAndEnvironmentOverFile) {
  const TempDirectory directory;
  const std::string file = directory.File("sluiced.toml");
  WriteWholeFile(file, "max_streams = 1\nmax_running_jobs = 2\ngrace = 3\n");
  const Variable streams("SLUICE_MAX_STREAMS", "10");
  const Variable jobs("SLUICE_MAX_RUNNING_JOBS", "20");
  const Config config = Parsed({"--max_streams=100", "--config", file.c_str()});
  EXPECT_EQ(config.max_streams, 100U);
  EXPECT_EQ(config.max_running_jobs, 20U);
  EXPECT_EQ(config.grace_seconds, 3);
}

TEST(Config, ListsInTheEnvironmentAreSeparatedByCommas) {
  const Variable roots("SLUICE_ALLOW_ROOT", "/a,/b");
  EXPECT_THAT(Parsed({}).allow_root, ElementsAre("/a", "/b"));
}

TEST(Config, WhatIsPrintedIsAFileThatSaysTheSame) {
  const EarlyExit printed = Exited({"--print_config", "--allow_root=/a", "--allow_root=/b c",
                                    "--data_dir=/d", "--insecure_plaintext", "--max_streams=7"});
  ASSERT_EQ(printed.status, 0);
  const TempDirectory directory;
  const std::string file = directory.File("sluiced.toml");
  WriteWholeFile(file, printed.text);
  const Config config = Parsed({"--config", file.c_str()});
  EXPECT_THAT(config.allow_root, ElementsAre("/a", "/b c"));
  EXPECT_EQ(config.data_dir, "/d");
  EXPECT_TRUE(config.insecure_plaintext);
  EXPECT_EQ(config.max_streams, 7U);
}

TEST(Config, WrongFlagsAreOneLineAndExitStatusTwo) {
  for (const char* flag : {"--unknown", "--max_streams=0", "--max_streams=many", "stray",
                           "--log_level=loud", "--config=/nonexistent"}) {
    const EarlyExit exit = Exited({flag});
    EXPECT_EQ(exit.status, 2) << flag;
    EXPECT_THAT(exit.text, HasSubstr("sluiced: "));
    EXPECT_THAT(exit.text, Not(HasSubstr("\n")));
  }
}

TEST(Config, SettingThatNoFileMayHoldIsNamed) {
  const TempDirectory directory;
  const std::string file = directory.File("sluiced.toml");
  WriteWholeFile(file, "colour = \"red\"\n");
  const EarlyExit exit = Exited({"--config", file.c_str()});
  EXPECT_EQ(exit.status, 2);
  EXPECT_THAT(exit.text, HasSubstr("colour"));
}

TEST(Config, CheckingSaysWhetherTheSettingsAreValid) {
  EXPECT_EQ(Exited({"--check_config"}).status, 0);
  EXPECT_EQ(Exited({"--check_config", "--grace=-1"}).status, 2);
}

}  // namespace
}  // namespace sluice
