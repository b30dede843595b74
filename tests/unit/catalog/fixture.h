#ifndef SLUICE_TESTS_UNIT_CATALOG_FIXTURE_H_
#define SLUICE_TESTS_UNIT_CATALOG_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/catalog/catalog.h"
#include "server/catalog/sqlite_catalog.h"

namespace sluice {

// A new directory, removed at the end.
class TempDirectory final {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

std::string ReadWholeFile(const std::string& path);
void WriteWholeFile(const std::string& path, std::string_view content);

template <typename T>
T Value(absl::StatusOr<T> result) {
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

MATCHER(IsOk, "") {
  *result_listener << arg;
  return arg.ok();
}
MATCHER_P(HasCode, code, "") {
  *result_listener << arg;
  return arg.code() == code;
}

JobRecord MakeJob(std::string id, std::string kind = "scan");

// Sequences are left to AppendAll.
EventRecord FileEvent(std::string path, std::uint64_t size, std::uint64_t inode);
EventRecord PayloadEvent(std::uint32_t kind, std::string payload);
std::optional<Digest> DigestOf(std::uint8_t first_byte);

// Numbers the events from the job's last one on, stores them, and moves job.last_sequence.
absl::Status AppendAll(Catalog& catalog, JobRecord& job, std::vector<EventRecord> events);

// Pages of at most `limit` until the end.
std::vector<EventRecord> ReadAllEvents(Catalog& catalog, const std::string& job_id,
                                       std::size_t limit);

// A catalog in a directory of its own.
class CatalogTest : public testing::Test {
 protected:
  CatalogTest() { Reopen(); }

  void Close() { catalog_.reset(); }
  void Reopen() {
    Close();
    catalog_ = Value(OpenSqliteCatalog(directory_.path()));
  }
  Catalog& catalog() { return *catalog_; }
  const TempDirectory& directory() const { return directory_; }

  // A job that is stored.
  JobRecord NewJob(const std::string& id, const std::string& kind = "scan") {
    JobRecord job = MakeJob(id, kind);
    EXPECT_THAT(catalog().CreateJob(job), IsOk());
    return job;
  }
  JobRecord NewScan(const std::string& id, std::vector<EventRecord> events) {
    JobRecord job = NewJob(id);
    EXPECT_THAT(AppendAll(catalog(), job, std::move(events)), IsOk());
    return job;
  }

 private:
  TempDirectory directory_;
  std::unique_ptr<Catalog> catalog_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_CATALOG_FIXTURE_H_
