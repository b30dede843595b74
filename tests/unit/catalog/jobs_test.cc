#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Jobs = CatalogTest;

std::vector<std::string> Ids(const std::vector<JobRecord>& jobs) {
  std::vector<std::string> ids;
  ids.reserve(jobs.size());
  for (const JobRecord& job : jobs) ids.push_back(job.id);
  return ids;
}

TEST_F(Jobs, AJobComesBackAsItWasStored) {
  JobRecord job = MakeJob("a", "reconcile");
  job.request_id = "r";
  job.request_hash = std::string("\0\xff", 2);
  job.record = std::string("\0record", 7);
  ASSERT_THAT(catalog().CreateJob(job), IsOk());
  Reopen();
  EXPECT_EQ(Value(catalog().GetJob("a")), job);
  EXPECT_EQ(Value(catalog().FindJobByRequestId("r")), job);
}

TEST_F(Jobs, WhatIsNotThereIsNotFound) {
  const auto not_found = HasCode(absl::StatusCode::kNotFound);
  EXPECT_THAT(catalog().GetJob("a").status(), not_found);
  EXPECT_THAT(catalog().FindJobByRequestId("r").status(), not_found);
  EXPECT_THAT(catalog().AppendEvents(MakeJob("a"), {}), not_found);
}

TEST_F(Jobs, TheEmptyRequestIdFindsNothingAndMayRepeat) {
  NewJob("a");
  NewJob("b");
  EXPECT_THAT(catalog().FindJobByRequestId("").status(), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(Jobs, ARequestIdIsUsedOnce) {
  JobRecord first = MakeJob("a");
  first.request_id = "r";
  ASSERT_THAT(catalog().CreateJob(first), IsOk());
  JobRecord second = MakeJob("b");
  second.request_id = "r";
  EXPECT_THAT(catalog().CreateJob(second), HasCode(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Ids(Value(catalog().ListJobs("", "", 10))), ElementsAre("a"));
}

TEST_F(Jobs, AnIdIsUsedOnce) {
  const JobRecord job = NewJob("a");
  EXPECT_THAT(catalog().CreateJob(MakeJob("a", "other")),
              HasCode(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Value(catalog().GetJob("a")), job);
}

TEST_F(Jobs, ListsNewestFirstOfOneKindInPages) {
  for (int i = 0; i < 6; ++i) NewJob(absl::StrCat("id", i), i % 2 == 0 ? "scan" : "reconcile");
  EXPECT_THAT(Ids(Value(catalog().ListJobs("", "", 2))), ElementsAre("id5", "id4"));
  EXPECT_THAT(Ids(Value(catalog().ListJobs("id4", "", 2))), ElementsAre("id3", "id2"));
  EXPECT_THAT(Ids(Value(catalog().ListJobs("", "scan", 2))), ElementsAre("id4", "id2"));
  EXPECT_THAT(Ids(Value(catalog().ListJobs("id2", "scan", 2))), ElementsAre("id0"));
  EXPECT_THAT(Value(catalog().ListJobs("id0", "", 2)), IsEmpty());
}

TEST_F(Jobs, PagesAreStableWhileJobsAreCreated) {
  for (const char* id : {"1", "2", "3"}) NewJob(id);
  EXPECT_THAT(Ids(Value(catalog().ListJobs("", "", 2))), ElementsAre("3", "2"));
  NewJob("4");
  EXPECT_THAT(Ids(Value(catalog().ListJobs("2", "", 2))), ElementsAre("1"));
}

TEST_F(Jobs, UnendedAreThoseThatAnEarlierProcessLeft) {
  for (const char* id : {"3", "1", "2"}) NewJob(id);
  JobRecord ended = MakeJob("2");
  ended.ended = true;
  ASSERT_THAT(catalog().AppendEvents(ended, {}), IsOk());
  EXPECT_THAT(Value(catalog().ListUnendedJobs()), IsEmpty());

  Reopen();
  NewJob("4");
  EXPECT_THAT(Ids(Value(catalog().ListUnendedJobs())), ElementsAre("1", "3"));
}

}  // namespace
}  // namespace sluice
