#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"
#include "tests/unit/catalog/script.h"

namespace sluice {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const auto kIsNotFound = HasCode(absl::StatusCode::kNotFound);

class Retention : public CatalogTest {
 protected:
  JobRecord NewEndedScan(const std::string& id, std::vector<EventRecord> events) {
    JobRecord job = NewScan(id, std::move(events));
    job.end_time_ns = 1;
    EXPECT_THAT(catalog().AppendEvents(job, {}), IsOk());
    return job;
  }
  std::size_t PurgeAll(std::size_t slice) {
    std::size_t slices = 1;
    while (Value(catalog().Purge(slice))) ++slices;
    return slices;
  }
  absl::Status Candidates(const std::string& id) {
    return catalog().OpenCandidates({.scans = {id}}, {}).status();
  }
  std::size_t StoredEvents() {
    Close();
    return CountStoredEvents(directory().path());
  }
};

TEST_F(Retention, ADeletedJobIsGoneAtOnceForEveryReader) {
  JobRecord job = MakeJob("a");
  job.request_id = "r";
  ASSERT_THAT(catalog().CreateJob(job), IsOk());
  ASSERT_THAT(AppendAll(catalog(), job, {FileEvent("/x", 1, 1)}), IsOk());
  ASSERT_THAT(catalog().DeleteJob("a"), IsOk());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(catalog().GetJob("a").status(), kIsNotFound);
    EXPECT_THAT(catalog().FindJobByRequestId("r").status(), kIsNotFound);
    EXPECT_THAT(Value(catalog().ListJobs("", "", 10)), IsEmpty());
    EXPECT_THAT(Value(catalog().ListUnendedJobs("", 10)), IsEmpty());
    EXPECT_THAT(catalog().ReadEvents("a", 1, 10).status(), kIsNotFound);
    EXPECT_THAT(catalog().ReadFiles("a", 1, {}, 10).status(), kIsNotFound);
    EXPECT_THAT(catalog().ReadPayloads("a", 1, 1, 10).status(), kIsNotFound);
    EXPECT_THAT(Candidates("a"), kIsNotFound);
    EXPECT_THAT(AppendAll(catalog(), job, {}), kIsNotFound);
    EXPECT_THAT(catalog().DeleteJob("a"), kIsNotFound);
    Reopen();
  }
}

TEST_F(Retention, ARequestIdOfADeletedJobMayBeUsedAgain) {
  JobRecord job = MakeJob("a");
  job.request_id = "r";
  ASSERT_THAT(catalog().CreateJob(job), IsOk());
  ASSERT_THAT(catalog().DeleteJob("a"), IsOk());
  job.id = "b";
  EXPECT_THAT(catalog().CreateJob(job), IsOk());
  EXPECT_EQ(Value(catalog().FindJobByRequestId("r")), job);
}

TEST_F(Retention, AJobThatComesAfterADeletedOneHasItsOwnEventsOnly) {
  NewScan("a", std::vector<EventRecord>(5, PayloadEvent(1, "a")));
  ASSERT_THAT(catalog().DeleteJob("a"), IsOk());
  Reopen();
  JobRecord b = NewJob("b");
  EXPECT_THAT(ReadAllEvents(catalog(), "b", 10), IsEmpty());
  ASSERT_THAT(AppendAll(catalog(), b, {PayloadEvent(1, "b"), PayloadEvent(2, "b")}), IsOk());
  PurgeAll(2);
  EXPECT_THAT(ReadAllEvents(catalog(), "b", 10), SizeIs(2));
}

TEST_F(Retention, AnExpiredJobStaysWithoutItsEvents) {
  JobRecord job = NewEndedScan("a", {FileEvent("/x", 1, 1), PayloadEvent(1, "y")});
  for (int i = 0; i < 2; ++i) EXPECT_THAT(catalog().ExpireEvents("a"), IsOk());
  job.oldest_sequence = 3;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Value(catalog().GetJob("a")), job);
    EXPECT_THAT(Value(catalog().ReadEvents("a", 1, 10)), IsEmpty());
    EXPECT_THAT(Value(catalog().ReadFiles("a", 1, {}, 10)), IsEmpty());
    EXPECT_THAT(Value(catalog().ReadPayloads("a", 1, 1, 10)), IsEmpty());
    EXPECT_THAT(Candidates("a"), kIsNotFound);
    PurgeAll(1);
  }
}

TEST_F(Retention, AJobThatHasNotEndedDoesNotExpire) {
  NewScan("a", {PayloadEvent(1, "x")});
  EXPECT_THAT(catalog().ExpireEvents("a"), HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(catalog().ExpireEvents("b"), kIsNotFound);
  EXPECT_THAT(ReadAllEvents(catalog(), "a", 10), SizeIs(1));
}

TEST_F(Retention, PurgeRemovesInSlicesWhatIsGoneAndNothingElse) {
  const std::vector<EventRecord> events = {FileEvent("/x", 1, 1), PayloadEvent(1, "y"),
                                           FileEvent("/z", 1, 1)};
  for (const char* id : {"a", "b", "c", "d"}) {
    JobRecord job = NewScan(id, events);
    ASSERT_THAT(AppendAll(catalog(), job, events), IsOk());
    job.end_time_ns = 1;
    ASSERT_THAT(catalog().AppendEvents(job, {}), IsOk());
  }
  ASSERT_THAT(catalog().DeleteJob("b"), IsOk());
  ASSERT_THAT(catalog().ExpireEvents("c"), IsOk());
  EXPECT_TRUE(Value(catalog().Purge(2))) << "a chunk of the first";
  Reopen();
  EXPECT_EQ(PurgeAll(2), 3);
  EXPECT_FALSE(Value(catalog().Purge(2)));
  for (const char* id : {"a", "d"}) EXPECT_THAT(ReadAllEvents(catalog(), id, 10), SizeIs(6));
  EXPECT_EQ(StoredEvents(), 12);
}

TEST_F(Retention, AnExpiredJobThatIsDeletedBeforeThePurgeIsPurgedOnce) {
  NewEndedScan("a", std::vector<EventRecord>(3, PayloadEvent(1, "x")));
  ASSERT_THAT(catalog().ExpireEvents("a"), IsOk());
  ASSERT_THAT(catalog().DeleteJob("a"), IsOk());
  EXPECT_FALSE(Value(catalog().Purge(std::numeric_limits<std::size_t>::max())));
  EXPECT_EQ(StoredEvents(), 0);
}

TEST_F(Retention, UsedBytesGrowWithEventsAndShrinkWhenTheyArePurged) {
  const std::uint64_t empty = Value(catalog().UsedBytes());
  constexpr std::size_t kBytes = 1 << 20;
  NewScan("a", {PayloadEvent(1, std::string(kBytes, 'x'))});
  EXPECT_GE(Value(catalog().UsedBytes()), empty + kBytes);
  ASSERT_THAT(catalog().DeleteJob("a"), IsOk());
  PurgeAll(10);
  EXPECT_EQ(Value(catalog().UsedBytes()), empty);
}

}  // namespace
}  // namespace sluice
