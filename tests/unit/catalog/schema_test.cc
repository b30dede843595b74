#include "server/catalog/sqlite/schema.h"

#include <array>
#include <string>

#include "absl/status/status.h"
#include <SQLiteCpp/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

constexpr std::array kThreeSteps = {
    Migration{.version = 1, .script = "CREATE TABLE t (x); INSERT INTO t VALUES (1)"},
    Migration{.version = 2, .script = "ALTER TABLE t ADD COLUMN y; UPDATE t SET y = x + 1"},
    Migration{.version = 3, .script = "INSERT INTO t VALUES (5, 6)"},
};
constexpr std::span kSteps(kThreeSteps);

class Schema : public testing::Test {
 protected:
  TempDirectory directory_;
  Connection connection_{directory_.File("db"), Connection::Access::kCreate, 1024};
};

TEST_F(Schema, StepsThatAreMissingAreAppliedInOrderAndOnce) {
  Migrate(connection_, kSteps.first(1));
  EXPECT_EQ(connection_.ReadInteger("PRAGMA user_version"), 1);
  for (int i = 0; i < 2; ++i) Migrate(connection_, kSteps);
  EXPECT_EQ(connection_.ReadInteger("PRAGMA user_version"), 3);
  EXPECT_EQ(connection_.ReadInteger("SELECT sum(y) FROM t"), 2 + 6);
}

TEST_F(Schema, AStepThatFailsLeavesTheVersionBeforeIt) {
  const std::array steps = {
      kThreeSteps[0],
      Migration{.version = 2, .script = "INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1)"},
  };
  EXPECT_THROW(Migrate(connection_, steps), SQLite::Exception);
  EXPECT_EQ(connection_.ReadInteger("PRAGMA user_version"), 1);
  EXPECT_EQ(connection_.ReadInteger("SELECT count(*) FROM t"), 1);
}

TEST_F(Schema, ANewerVersionIsRefused) {
  Migrate(connection_, kSteps);
  EXPECT_THAT(CheckVersion(connection_, kSteps), IsOk());
  EXPECT_THAT(CheckVersion(connection_, kSteps.first(2)),
              HasCode(absl::StatusCode::kFailedPrecondition));
}

TEST_F(Schema, VersionsOfTheCatalogCountFromOneWithoutAGap) {
  std::int64_t version = 0;
  for (const Migration& step : Migrations()) EXPECT_EQ(step.version, ++version);
  Migrate(connection_, Migrations());
  EXPECT_THAT(CheckStructure(connection_), IsOk());
}

}  // namespace
}  // namespace sluice
