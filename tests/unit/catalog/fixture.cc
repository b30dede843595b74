#include "tests/unit/catalog/fixture.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace sluice {

TempDirectory::TempDirectory() {
  std::string path = testing::TempDir() + "sluice-catalog-XXXXXX";
  EXPECT_NE(::mkdtemp(path.data()), nullptr);
  path_ = path;
}

TempDirectory::~TempDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteWholeFile(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(file.good()) << path;
}

JobRecord MakeJob(std::string id, std::string kind) {
  return {.id = std::move(id), .kind = std::move(kind), .spec = "spec", .record = "record"};
}

EventRecord FileEvent(std::string path, std::uint64_t size, std::uint64_t inode) {
  return {.time_ns = 1'700'000'000'000'000'001,
          .event = FileEntry{.path = std::move(path),
                             .stat = {.size = size,
                                      .allocated_bytes = size,
                                      .modify_time_ns = 5,
                                      .change_time_ns = 6,
                                      .device = 7,
                                      .inode = inode,
                                      .link_count = 1,
                                      .mode = 0644,
                                      .uid = 1000,
                                      .gid = 1001}}};
}

EventRecord PayloadEvent(std::uint32_t kind, std::string payload) {
  return {.time_ns = 1'700'000'000'000'000'002,
          .event = EventPayload{.kind = kind, .payload = std::move(payload)}};
}

std::optional<Digest> DigestOf(std::uint8_t first_byte) {
  Digest digest;
  digest.bytes[0] = first_byte;
  return digest;
}

absl::Status AppendAll(Catalog& catalog, JobRecord& job, std::vector<EventRecord> events) {
  for (EventRecord& event : events) event.sequence = ++job.last_sequence;
  return catalog.AppendEvents(job, events);
}

std::vector<EventRecord> ReadAllEvents(Catalog& catalog, const std::string& job_id,
                                       std::size_t limit) {
  std::vector<EventRecord> all;
  while (true) {
    std::vector<EventRecord> page = Value(catalog.ReadEvents(job_id, all.size() + 1, limit));
    if (page.empty()) return all;
    EXPECT_LE(page.size(), limit);
    std::move(page.begin(), page.end(), std::back_inserter(all));
  }
}

}  // namespace sluice
