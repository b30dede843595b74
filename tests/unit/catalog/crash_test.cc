#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/fs/unique_fd.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using testing::SizeIs;

constexpr std::size_t kBatch = 7;

// Appends for ever, and after each OK writes the last sequence to `acknowledgements`.
[[noreturn]] void AppendUntilKilled(const std::string& directory, int acknowledgements) {
  auto catalog = OpenSqliteCatalog(directory);
  if (!catalog.ok()) std::_Exit(1);
  auto found = (*catalog)->GetJob("a");
  JobRecord job = found.ok() ? *found : MakeJob("a");
  if (!found.ok() && !(*catalog)->CreateJob(job).ok()) std::_Exit(2);
  while (true) {
    std::vector<EventRecord> events(kBatch, FileEvent("/some/path", 1, 1));
    events.back() = PayloadEvent(1, std::string(3000, 'x'));
    if (!AppendAll(**catalog, job, std::move(events)).ok()) std::_Exit(3);
    const std::uint64_t last = job.last_sequence;
    if (::write(acknowledgements, &last, sizeof(last)) != sizeof(last)) std::_Exit(4);
  }
}

// Kills a child after so many acknowledgements; returns the last one that it gave.
std::uint64_t AppendInAChildAndKillIt(const std::string& directory, int acknowledgements) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) AppendUntilKilled(directory, write_end.get());
  write_end.reset();
  std::uint64_t last = 0;
  for (int i = 0; i < acknowledgements; ++i) {
    EXPECT_EQ(::read(read_end.get(), &last, sizeof(last)), sizeof(last));
  }
  ::kill(child, SIGKILL);
  // What it had acknowledged by the time it died.
  while (::read(read_end.get(), &last, sizeof(last)) == sizeof(last)) {
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
  return last;
}

TEST(Crash, AProcessThatIsKilledLosesNothingItAcknowledged) {
  const TempDirectory directory;
  for (const int acknowledgements : {1, 2, 30, 200}) {
    const std::uint64_t acknowledged = AppendInAChildAndKillIt(directory.path(), acknowledgements);
    const auto catalog = Value(OpenSqliteCatalog(directory.path()));
    const JobRecord job = Value(catalog->GetJob("a"));
    EXPECT_GE(job.last_sequence, acknowledged);
    EXPECT_EQ(job.last_sequence % kBatch, 0) << "half of a batch";
    const std::vector<EventRecord> events = ReadAllEvents(*catalog, "a", 100);
    ASSERT_THAT(events, SizeIs(job.last_sequence));
    for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].sequence, i + 1);
    EXPECT_THAT(Value(catalog->ListUnendedJobs("", 10)), SizeIs(1));
  }
}

}  // namespace
}  // namespace sluice
