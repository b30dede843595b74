#include <string>

#include "gtest/gtest.h"

#include "client/cli/json.h"

namespace sluice::cli {
namespace {

v1::JobEvent File(const std::string& path) {
  v1::JobEvent event;
  event.set_sequence(1);
  event.mutable_event_time()->set_seconds(1'700'000'000);
  event.mutable_file()->set_path(path);
  return event;
}

v1::JobEvent PlanOfTwo() {
  v1::JobEvent event;
  event.mutable_plan()->add_copies()->mutable_file()->set_path("/a");
  event.mutable_plan()->add_copies()->mutable_file()->set_path("/b");
  return event;
}

TEST(JsonLines, AreTheTextsOfTheEventsWhateverTheirNamesHold) {
  google::protobuf::RepeatedPtrField<v1::JobEvent> events;
  for (const std::string path :
       {"/plain", "/\"", "/\\", "/\\\"}],[{", "/}]}", "/a\nb", "/ä€", ""}) {
    *events.Add() = File(path);
  }
  *events.Add() = PlanOfTwo();
  *events.Add() = v1::JobEvent();
  std::string expected;
  for (const v1::JobEvent& event : events) expected += JsonText(event) + "\n";
  EXPECT_EQ(JsonLines(events), expected);
}

TEST(JsonLines, OfNoEventsAreNone) { EXPECT_EQ(JsonLines({}), ""); }

}  // namespace
}  // namespace sluice::cli
