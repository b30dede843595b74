#include <sys/resource.h>

#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/status.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::SizeIs;

using Damage = CatalogTest;

TEST_F(Damage, OfAChunkIsDataLoss) {
  NewScan("a", {FileEvent("/x", 1, 1), FileEvent("/y", 1, 2)});
  Connection other(directory().File("catalog.sqlite"), Connection::Access::kWrite, 1024);
  other.Execute("CREATE TABLE intact AS SELECT * FROM event_chunk");
  const auto is_data_loss = HasCode(absl::StatusCode::kDataLoss);
  for (const char* change :
       {"body = x''", "body = zeroblob(length(body))", "count = 1", "count = 3", "count = 0",
        "count = -1", "key = key + 1", "checksum = checksum + 1"}) {
    SCOPED_TRACE(change);
    other.Execute(absl::StrCat("UPDATE event_chunk SET ", change));
    EXPECT_THAT(catalog().ReadEvents("a", 1, 10).status(), is_data_loss);
    EXPECT_THAT(catalog().OpenCandidates({.scans = {"a"}}, {}).status(), is_data_loss);
    other.Execute("DELETE FROM event_chunk; INSERT INTO event_chunk SELECT * FROM intact");
    EXPECT_THAT(ReadAllEvents(catalog(), "a", 10), SizeIs(2));
  }
}

// Writes fail beyond `bytes` of a file (EFBIG), until the end of the scope.
class FileSizeLimit final {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    ::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int);
};

TEST_F(Damage, AWriteThatFailsWritesNothingAndTheNextOneWorks) {
  JobRecord job = NewScan("a", {PayloadEvent(1, "x")});
  const std::vector<EventRecord> events(100, PayloadEvent(1, std::string(100'000, 'y')));
  JobRecord updated = job;
  {
    const FileSizeLimit limit(1 << 20);
    EXPECT_THAT(AppendAll(catalog(), updated, events), HasCode(absl::StatusCode::kUnavailable));
    EXPECT_EQ(Value(catalog().GetJob("a")), job);
  }
  EXPECT_THAT(AppendAll(catalog(), job, events), IsOk());
  EXPECT_THAT(ReadAllEvents(catalog(), "a", 1000), SizeIs(101));
}

TEST_F(Damage, ADatabaseThatMayNotGrowIsResourceExhausted) {
  Connection small(directory().File("small.sqlite"), Connection::Access::kCreate, 1024);
  small.Execute("PRAGMA max_page_count = 4; CREATE TABLE t (x)");
  const absl::Status status = CatchSqlite([&] {
    for (int i = 0; i < 100; ++i) small.Execute("INSERT INTO t VALUES (zeroblob(1000))");
    return absl::OkStatus();
  });
  EXPECT_THAT(status, HasCode(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace sluice
