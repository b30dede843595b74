// The small units of server/jobs: ids, filters, errors, conversions.

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include <gtest/gtest.h>

#include "server/jobs/convert.h"
#include "server/jobs/errors.h"
#include "server/jobs/job_filter.h"
#include "server/jobs/job_id.h"

namespace sluice {
namespace {

TEST(JobIdGenerator, IdsSortByTheOrderTheyWereMadeInAlsoWhenTheClockGoesBack) {
  JobIdGenerator ids;
  std::string last;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t time_ns = 1'700'000'000'000'000'000 + (i % 3 == 0 ? -5'000'000 : i);
    std::string id = ids.Next(time_ns);
    ASSERT_TRUE(IsUuid(id)) << id;
    ASSERT_LT(last, id);
    last = std::move(id);
  }
}

TEST(IdFromName, TakesOnlyUuidsOfTheCollection) {
  const std::string id = "01a208ec-d375-7000-bcb1-3c3c40554a01";
  EXPECT_EQ(IdFromName("jobs/" + id, "jobs"), id);
  for (const std::string& name :
       {id, "scans/" + id, std::string("jobs/"), "jobs/" + id + "/x", std::string("jobs/..")}) {
    EXPECT_EQ(IdFromName(name, "jobs"), std::nullopt) << name;
  }
}

TEST(JobFilter, TermsThatItDoesNotKnowAreNamed) {
  for (const char* text : {"state=FLYING", "kind=unknown", "color=red", "nonsense", "labels.=x"}) {
    const absl::Status status = JobFilter::Parse(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_NE(std::string(status.message()).find("filter"), std::string::npos);
  }
}

TEST(PageSize, DefaultsCutsAndRefuses) {
  EXPECT_EQ(*PageSize(0), 50U);
  EXPECT_EQ(*PageSize(7), 7U);
  EXPECT_EQ(*PageSize(5000), 1000U);
  EXPECT_TRUE(absl::IsInvalidArgument(PageSize(-1).status()));
}

TEST(PageToken, IsOfItsListOnly) {
  const std::string id = "01a208ec-d375-7000-bcb1-3c3c40554a01";
  const std::string token = MakePageToken(id, "jobs kind=scan");
  EXPECT_EQ(*ParsePageToken(token, "jobs kind=scan"), id);
  EXPECT_TRUE(absl::IsInvalidArgument(ParsePageToken(token, "jobs ").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParsePageToken("garbage!", "jobs ").status()));
}

TEST(ToWireStatus, EveryErrorHasAnErrorInfo) {
  const google::rpc::Status bare = ToWireStatus(absl::InternalError("inside"));
  ASSERT_EQ(bare.details_size(), 1);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(bare.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "sluice");
  EXPECT_EQ(info.reason(), "INTERNAL");
  EXPECT_EQ(ToWireStatus(NotFoundError("job", "jobs/x")).details_size(), 2);
}

TEST(ToTimestamp, TimesBefore1970CountNanosForward) {
  const google::protobuf::Timestamp time = ToTimestamp(-1);
  EXPECT_EQ(time.seconds(), -1);
  EXPECT_EQ(time.nanos(), 999'999'999);
  EXPECT_EQ(FromTimestamp(time), -1);
}

TEST(ToProto, PathThatIsNoTextKeepsItsBytes) {
  v1::FileRecord record;
  ToProto(FileEntry{.path = "/a\xff\nb"}, record);
  EXPECT_EQ(record.path(), "/a\\xff\\x0ab");
  EXPECT_EQ(record.raw_path(), "/a\xff\nb");
  v1::FileRecord plain;
  ToProto(FileEntry{.path = "/a\\b"}, plain);
  EXPECT_EQ(plain.path(), "/a\\b");
  EXPECT_TRUE(plain.raw_path().empty());
}

TEST(ToJobEvent, EveryKindOfItemComesBack) {
  const PlanNames names{.job_id = "id", .scans = {"scans/s"}, .host = "h"};
  Plan plan;
  plan.copies.push_back({.file = {.path = "/p"}});
  const std::vector<JobItem> items = {FileEntry{.path = "/f"}, MakeItemError("/e", "open", EACCES),
                                      SkippedItem{"/s", SkippedItem::Reason::kGlob}, plan,
                                      ApplyOutcome{.path = "/o"}};
  std::set<v1::JobEvent::EventCase> cases;
  for (const JobItem& item : items) {
    v1::JobEvent event;
    ASSERT_TRUE(ToJobEvent(ToEventRecord(item, names, 9, 5), event).ok());
    EXPECT_EQ(event.sequence(), 9U);
    cases.insert(event.event_case());
  }
  EXPECT_EQ(cases.size(), 5U);
  v1::JobEvent damaged;
  const EventRecord garbage{.sequence = 1, .event = EventPayload{.kind = 4, .payload = "\xff"}};
  EXPECT_TRUE(absl::IsDataLoss(ToJobEvent(garbage, damaged)));
}

}  // namespace
}  // namespace sluice
