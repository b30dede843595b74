// The oracle of what is written straight to bytes: the message itself, made field by field and
// serialized by protobuf.
#include "server/jobs/wire.h"

#include <cerrno>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "server/jobs/convert.h"
#include "sluice/v1/catalog_service.pb.h"
#include "sluice/v1/event.pb.h"
#include "sluice/v1/job_service.pb.h"

namespace sluice {
namespace {

constexpr int kRounds = 2000;

class RandomItems final {
 public:
  // Any number of bits, so that varints of every length occur; and 0.
  std::uint64_t Number() {
    const auto bits = static_cast<unsigned>(engine_() % 65);
    return bits == 0 ? 0 : engine_() >> (64 - bits);
  }
  std::uint32_t Number32() { return static_cast<std::uint32_t>(Number()); }

  std::string Path() {
    static const std::vector<std::string> kParts = {"/data", "/a\\b", "/\xff", "/line\n", "/ä€😀"};
    std::string path = "/srv";
    for (std::uint64_t i = engine_() % 200; i > 0; --i) {
      path += engine_() % 50 == 0 ? kParts[engine_() % kParts.size()] : "/name";
    }
    return path;
  }

  FileEntry File() {
    FileEntry file{.path = Path()};
    file.stat = {.type = static_cast<FileType>(engine_() % 7),
                 .size = Number(),
                 .allocated_bytes = Number(),
                 .modify_time_ns = static_cast<std::int64_t>(Number()),
                 .change_time_ns = static_cast<std::int64_t>(Number()),
                 .device = Number(),
                 .inode = Number(),
                 .link_count = Number32(),
                 .mode = Number32(),
                 .uid = Number32(),
                 .gid = Number32()};
    if (engine_() % 2 == 0) {
      file.digest = Digest{.algorithm = static_cast<DigestAlgorithm>(engine_() % 3)};
    }
    return file;
  }

  JobItem Item() {
    switch (engine_() % 5) {
      case 0:
        return MakeItemError(Path(), "open", EACCES);
      case 1:
        return SkippedItem{Path(), SkippedItem::Reason::kGlob};
      case 2:
        return Plan{.copies = {{.file = File()}, {.file = File()}}, .source_of_truth = File()};
      case 3:
        return ApplyOutcome{.path = Path(), .recovered_bytes = Number(), .kept_path = Path()};
      default:
        return File();
    }
  }

 private:
  std::mt19937_64 engine_{20'240'229};
};

TEST(Wire, EventsAreTheBytesOfTheirMessages) {
  const PlanNames names{.job_id = "id", .scans = {"scans/s"}, .host = "h"};
  RandomItems random;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes;
    v1::EventBatch batch;
    for (int i = 0; i < 3; ++i) {
      const EventRecord record = ToEventRecord(random.Item(), names, random.Number(),
                                               static_cast<std::int64_t>(random.Number()));
      ASSERT_TRUE(AppendEvent(v1::EventBatch::kEventsFieldNumber, record, bytes).ok());
      ASSERT_TRUE(ToJobEvent(record, *batch.add_events()).ok());
    }
    ASSERT_EQ(bytes, batch.SerializeAsString()) << "round " << round;
  }
}

TEST(Wire, FilesAreTheBytesOfTheirMessages) {
  RandomItems random;
  for (int round = 0; round < kRounds; ++round) {
    const FileEntry file = random.File();
    v1::StreamFilesResponse response;
    ToProto(file, *response.add_files());
    response.set_next_position(random.Number());
    std::string bytes;
    AppendFile(v1::StreamFilesResponse::kFilesFieldNumber, file, bytes);
    AppendUint64(v1::StreamFilesResponse::kNextPositionFieldNumber, response.next_position(),
                 bytes);
    ASSERT_EQ(bytes, response.SerializeAsString()) << "round " << round;
  }
}

TEST(Wire, TimesBefore1970AndTheLongestOnesAreRight) {
  for (const std::int64_t time : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                  std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
    const EventRecord record{
        .sequence = 1, .time_ns = time, .event = FileEntry{.path = "/f", .stat = {.size = 1}}};
    v1::EventBatch batch;
    ASSERT_TRUE(ToJobEvent(record, *batch.add_events()).ok());
    std::string bytes;
    ASSERT_TRUE(AppendEvent(v1::EventBatch::kEventsFieldNumber, record, bytes).ok());
    EXPECT_EQ(bytes, batch.SerializeAsString()) << time;
  }
}

TEST(Wire, EmptyPayloadIsAMessageAllTheSame) {
  const EventRecord record{.sequence = 1,
                           .event = EventPayload{.kind = v1::JobEvent::kSkipped, .payload = ""}};
  std::string bytes;
  ASSERT_TRUE(AppendEvent(v1::EventBatch::kEventsFieldNumber, record, bytes).ok());
  v1::EventBatch batch;
  ASSERT_TRUE(batch.ParseFromString(bytes));
  EXPECT_TRUE(batch.events(0).has_skipped());
}

TEST(Wire, PayloadOfAnUnknownKindIsDataLoss) {
  std::string bytes;
  const EventRecord record{.sequence = 1, .event = EventPayload{.kind = 99, .payload = ""}};
  EXPECT_TRUE(absl::IsDataLoss(AppendEvent(1, record, bytes)));
  EXPECT_TRUE(bytes.empty());
}

TEST(Wire, PrefixAndBytesMakeAField) {
  v1::RunJobResponse response;
  response.mutable_batch()->set_next_sequence(1U << 20);
  const std::string batch = response.batch().SerializeAsString();
  EXPECT_EQ(FieldPrefix(v1::RunJobResponse::kBatchFieldNumber, batch.size()) + batch,
            response.SerializeAsString());
}

}  // namespace
}  // namespace sluice
