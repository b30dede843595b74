// A walk that goes on past what it may not read, and one that is told to stop.

#include "pipeline/stages/enumerate.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/ordinary_user.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

class Enumerating : public testing::Test {
 protected:
  AsyncGenerator<ScanItem> Items() {
    return EnumerateTree({.roots = {tree_.root()}},
                         {.roots = roots_, .counters = counters_, .stop = stop_.get_token()});
  }

  TempTree tree_;
  AllowedRoots roots_ = tree_.Roots();
  PipelineCounters counters_;
  std::stop_source stop_;
};

using SafeEnumerate = Enumerating;

struct Found {
  std::set<std::string> files;
  std::set<std::string> failed;
};

Task<Found> Sort(AsyncGenerator<ScanItem> items) {
  Found found;
  while (auto item = co_await items.Next()) {
    if (const auto* file = std::get_if<FileEntry>(&*item)) found.files.insert(file->path);
    if (const auto* error = std::get_if<ItemError>(&*item)) found.failed.insert(error->path);
  }
  co_return found;
}

TEST_F(SafeEnumerate, ADirectoryThatCannotBeReadIsAnItemAndTheWalkGoesOn) {
  const std::string before = tree_.Write("a/file");
  tree_.Write("locked/file");
  const std::string after = tree_.Write("z/file");
  ASSERT_EQ(::chmod(tree_.Path("locked").c_str(), 0), 0);
  ASSERT_EQ(::chmod(tree_.root().c_str(), 0755), 0);
  const Found found = [this] {
    const AsOrdinaryUser as_ordinary_user;
    return SyncWait(Sort(Items()));
  }();
  ASSERT_EQ(::chmod(tree_.Path("locked").c_str(), 0700), 0);
  EXPECT_EQ(found.files, std::set({before, after}));
  EXPECT_EQ(found.failed, std::set({tree_.Path("locked")}));
}

using CancellableEnumerate = Enumerating;

TEST_F(CancellableEnumerate, EndsWithCancelledAndNotAsIfTheTreeWereWalked) {
  for (const char* name : {"a", "b", "c", "d"}) tree_.Write(name);
  auto items = Items();
  EXPECT_TRUE(Pull(items));
  EXPECT_TRUE(Pull(items));
  stop_.request_stop();
  EXPECT_THROW(Pull(items), Cancelled);
}

TEST_F(CancellableEnumerate, OneThatIsDroppedHalfWayLeavesNothingOpen) {
  tree_.Write("a/b/c/file");
  const std::size_t open = CountOpenDescriptors();
  {
    auto items = Items();
    EXPECT_TRUE(Pull(items));
    EXPECT_GT(CountOpenDescriptors(), open);
  }
  EXPECT_EQ(CountOpenDescriptors(), open);
}

}  // namespace
}  // namespace sluice
