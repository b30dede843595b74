#include <cstdint>
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

class Jobs : public CatalogTest {
 protected:
  void End(const std::string& id, std::int64_t end_time_ns) {
    JobRecord job = Value(catalog().GetJob(id));
    job.end_time_ns = end_time_ns;
    EXPECT_THAT(catalog().AppendEvents(job, {}), IsOk());
  }
};

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
  job.spec = std::string("\0spec", 5);
  job.record = std::string("\0record", 7);
  job.checkpoint = std::string("\0checkpoint", 11);
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

TEST_F(Jobs, UnendedAreListedOldestFirstInPages) {
  for (const char* id : {"3", "1", "2", "4"}) NewJob(id);
  End("2", 5);
  EXPECT_THAT(Ids(Value(catalog().ListUnendedJobs("", 2))), ElementsAre("1", "3"));
  EXPECT_THAT(Ids(Value(catalog().ListUnendedJobs("3", 2))), ElementsAre("4"));
  EXPECT_THAT(Value(catalog().ListUnendedJobs("4", 2)), IsEmpty());
}

TEST_F(Jobs, WhatMayChangeIsReplacedAndTheRestStays) {
  const JobRecord created = NewJob("a");
  JobRecord updated = MakeJob("a", "other kind");
  updated.request_id = "other";
  updated.spec = "other";
  updated.end_time_ns = 7;
  updated.record = "new";
  updated.checkpoint = std::string("\0here", 5);
  ASSERT_THAT(catalog().AppendEvents(updated, {}), IsOk());
  JobRecord expected = created;
  expected.end_time_ns = 7;
  expected.record = "new";
  expected.checkpoint = updated.checkpoint;
  EXPECT_EQ(Value(catalog().GetJob("a")), expected);
}

TEST_F(Jobs, EndedAreListedByTheTimeOfTheirEndWithOrWithoutEvents) {
  for (const char* id : {"a", "b", "c", "d"}) NewScan(id, {PayloadEvent(1, "x")});
  NewJob("never had events");
  End("c", 10);
  End("a", 20);
  End("b", 30);
  End("never had events", 15);
  using Retained = Catalog::Retained;
  EXPECT_THAT(Ids(Value(catalog().ListEndedJobs(Retained::kExpirable, 30, 10))),
              ElementsAre("c", "a"));
  EXPECT_THAT(Ids(Value(catalog().ListEndedJobs(Retained::kExpirable, 31, 2))),
              ElementsAre("c", "a"));
  ASSERT_THAT(catalog().ExpireEvents("a"), IsOk());
  EXPECT_THAT(Ids(Value(catalog().ListEndedJobs(Retained::kExpirable, 31, 10))),
              ElementsAre("c", "b"));
  EXPECT_THAT(Ids(Value(catalog().ListEndedJobs(Retained::kExpired, 31, 10))),
              ElementsAre("never had events", "a"));
}

}  // namespace
}  // namespace sluice
