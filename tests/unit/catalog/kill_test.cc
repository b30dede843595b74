#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/fs/unique_fd.h"
#include "tests/unit/catalog/faulty_vfs.h"
#include "tests/unit/catalog/fixture.h"
#include "tests/unit/catalog/script.h"

namespace sluice {
namespace {

// Makes a catalog and runs the script, with a byte to `acknowledgements` after each step that has
// succeeded; the n-th call that changes a file kills it.
[[noreturn]] void RunUntilKilled(FaultyVfs& disk, const std::string& directory, std::uint64_t nth,
                                 int acknowledgements) {
  disk.Arm({.result = FaultyVfs::kKill, .nth = nth});
  auto catalog = OpenSqliteCatalog(directory);
  if (!catalog.ok()) std::_Exit(1);
  CatalogState state;
  for (const ScriptStep& step : Script()) {
    if (!step.call(**catalog, state).ok()) std::_Exit(2);
    if (::write(acknowledgements, "", 1) != 1) std::_Exit(3);
    step.effect(state);
  }
  catalog->reset();  // Which merges the log.
  std::_Exit(0);
}

struct ChildEnd {
  std::size_t acknowledged = 0;
  bool killed = false;
};

ChildEnd RunInAChild(FaultyVfs& disk, const std::string& directory, std::uint64_t nth) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) RunUntilKilled(disk, directory, nth, write_end.get());
  write_end.reset();
  ChildEnd end;
  for (char byte = 0; ::read(read_end.get(), &byte, 1) == 1;) ++end.acknowledged;
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  end.killed = WEXITSTATUS(status) == FaultyVfs::kKilledStatus;
  EXPECT_TRUE(end.killed || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  return end;
}

// Runs the rest of the script; the steps that change nothing may have been done or not.
void Finish(const std::string& directory, std::size_t acknowledged) {
  const auto catalog = Value(OpenSqliteCatalog(directory));
  CatalogState state = Value(ReadState(*catalog));
  std::size_t done = acknowledged;
  if (state != StateAfter(done)) ASSERT_EQ(state, StateAfter(++done));
  for (; done < Script().size(); ++done) {
    ASSERT_THAT(Script()[done].call(*catalog, state), IsOk()) << Script()[done].what;
    Script()[done].effect(state);
  }
  while (Value(catalog->Purge(1000))) {
  }
  EXPECT_EQ(Value(ReadState(*catalog)), StateAfter(done));
}

TEST(Kill, AtAnyCallThatWritesLosesNothingAcknowledgedAndTheRestCanBeDone) {
  FaultyVfs disk;
  std::uint64_t nth = 0;
  for (bool killed = true; killed && !testing::Test::HasFailure();) {
    SCOPED_TRACE(++nth);
    const TempDirectory directory;
    const ChildEnd child = RunInAChild(disk, directory.path(), nth);
    killed = child.killed;
    Finish(directory.path(), child.acknowledged);
    EXPECT_EQ(CheckIntegrity(directory.path()), "ok");
    EXPECT_EQ(CountStoredEvents(directory.path()), CountEvents(StateAfter(Script().size())));
    EXPECT_EQ(CountStoredContents(directory.path()), kContentChunksAtEnd);
  }
  EXPECT_GT(nth, 100) << "the script should meet the disk more often";
}

}  // namespace
}  // namespace sluice
