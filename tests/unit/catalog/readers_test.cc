#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using Readers = CatalogTest;

// Reads from the beginning to the end until `done`; every time the sequences must be whole.
void ReadWhileWritten(Catalog& catalog, const std::string& id, const std::atomic<bool>& done) {
  bool last_round = false;
  while (!last_round) {
    last_round = done;
    const JobRecord job = Value(catalog.GetJob(id));
    const std::vector<EventRecord> events = ReadAllEvents(catalog, id, 64);
    ASSERT_GE(events.size(), job.last_sequence);
    for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].sequence, i + 1);
  }
}

TEST_F(Readers, MoreOfThemThanConnectionsSeeWholeSequencesWhileJobsAreWritten) {
  std::atomic<bool> done = false;
  JobRecord a = NewJob("a");
  JobRecord b = NewJob("b");
  {
    std::vector<std::jthread> threads;
    threads.reserve(7);
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] { ReadWhileWritten(catalog(), i % 2 == 0 ? "a" : "b", done); });
    }
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_THAT(AppendAll(catalog(), b, {FileEvent("/x", 1, 1)}), IsOk());
      }
    });
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(AppendAll(catalog(), a, {FileEvent("/x", 1, 1), PayloadEvent(1, "y")}), IsOk());
    }
    threads.back().join();
    done = true;
  }
  EXPECT_EQ(Value(catalog().GetJob("a")).last_sequence, 100);
  EXPECT_EQ(Value(catalog().GetJob("b")).last_sequence, 50);
}

TEST_F(Readers, DoNotKeepTheLogFromStartingOver) {
  constexpr std::uintmax_t kBytesWritten = 160 << 20;
  constexpr std::uintmax_t kLogBound = 70 << 20;
  std::atomic<bool> done = false;
  JobRecord idle = NewScan("idle", std::vector<EventRecord>(500, PayloadEvent(1, "x")));
  JobRecord job = NewJob("a");
  std::vector<std::jthread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { ReadWhileWritten(catalog(), "idle", done); });
  }
  const std::vector<EventRecord> batch(16, PayloadEvent(1, std::string(256 << 10, 'x')));
  std::uintmax_t largest = 0;
  for (std::uintmax_t written = 0; written < kBytesWritten; written += 4 << 20) {
    EXPECT_THAT(AppendAll(catalog(), job, batch), IsOk());
    largest = std::max(largest, std::filesystem::file_size(directory().File("catalog.sqlite-wal")));
  }
  done = true;
  EXPECT_LT(largest, kLogBound);
}

}  // namespace
}  // namespace sluice
