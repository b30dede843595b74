#include "pipeline/stages/recorded_items.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/inline_executor.h"
#include "pipeline/fs/file.h"

namespace sluice {
namespace {

FileEntry File(std::string path = "/a") {
  return {.path = std::move(path),
          .stat = {.size = 1,
                   .modify_time_ns = 2,
                   .change_time_ns = 3,
                   .device = 4,
                   .inode = 5,
                   .link_count = 1},
          .digest = {}};
}

RecordedItems Recorded(const std::vector<FileEntry>& files) {
  InlineExecutor executor;
  RecordedItems::Builder builder(testing::TempDir());
  for (const FileEntry& file : files) builder.Add(file);
  return executor.Run(builder.Finish(executor));
}

TEST(RecordedItems, KnowsAFileByPathAndVersion) {
  const RecordedItems recorded = Recorded({File()});
  EXPECT_TRUE(recorded.Contains(File()));
  std::vector<FileEntry> others(7, File());
  others[0].path = "/b";
  ++others[1].stat.size;
  ++others[2].stat.modify_time_ns;
  ++others[3].stat.change_time_ns;
  ++others[4].stat.device;
  ++others[5].stat.inode;
  others[6].stat.type = FileType::kSymlink;
  for (const FileEntry& other : others) EXPECT_FALSE(recorded.Contains(other));
}

TEST(RecordedItems, KnowsAFileWhateverElseIsSaidOfIt) {
  FileEntry file = File();
  file.digest = Digest{};
  file.stat.link_count = 9;
  file.stat.mode = 0600;
  EXPECT_TRUE(Recorded({File()}).Contains(file));
}

TEST(RecordedItems, TakesPathsOfAnyBytes) {
  const std::vector<FileEntry> files = {File(""), File("/\xff\n"), File(std::string("/\0", 2)),
                                        File("/" + std::string(70'000, 'x'))};
  for (const FileEntry& file : files) {
    const RecordedItems recorded = Recorded({file});
    for (const FileEntry& other : files) EXPECT_EQ(recorded.Contains(other), other == file);
  }
}

TEST(RecordedItems, KnowsPayloadsByKindAndBytes) {
  InlineExecutor executor;
  RecordedItems::Builder builder(testing::TempDir());
  builder.AddPayload(7, "bytes");
  const RecordedItems recorded = executor.Run(builder.Finish(executor));
  EXPECT_TRUE(recorded.ContainsPayload(7, "bytes"));
  EXPECT_FALSE(recorded.ContainsPayload(8, "bytes"));
  EXPECT_FALSE(recorded.ContainsPayload(7, "byte"));
  EXPECT_EQ(recorded.size(), 1U);
}

}  // namespace
}  // namespace sluice
