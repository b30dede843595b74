#include "pipeline/fs/link_aware_digester.h"

#include <cstdint>
#include <latch>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/status_error.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/fake_digester.h"

namespace sluice {
namespace {

DigestRequest Name(std::string path, std::uint64_t inode, std::uint32_t links = 2) {
  return {.path = std::move(path), .expected = {.size = 7, .inode = inode, .link_count = links}};
}

ItemResult<ContentDigest> RunDigest(LinkAwareDigester& digester, DigestRequest request,
                                    std::stop_token stop = {}) {
  InlineExecutor executor;
  return executor.Run(digester.DigestFile(std::move(request), executor, std::move(stop)));
}

ContentDigest Read(LinkAwareDigester& digester, const DigestRequest& request) {
  return std::get<ContentDigest>(RunDigest(digester, request));
}

TEST(LinkAwareDigester, ReadsAnInodeOnce) {
  FakeDigester inner;
  LinkAwareDigester digester(inner);
  const ContentDigest first = Read(digester, Name("/a", 1));
  const ContentDigest second = Read(digester, Name("/b", 1));
  EXPECT_EQ(second.digest, first.digest);
  EXPECT_EQ(second.stat, first.stat);
  EXPECT_EQ(first.bytes_read, 7U);
  EXPECT_EQ(second.bytes_read, 0U);
  EXPECT_EQ(inner.read(), std::vector<std::string>{"/a"});
}

TEST(LinkAwareDigester, ReadsFilesWithOneNameEachTime) {
  FakeDigester inner;
  LinkAwareDigester digester(inner);
  Read(digester, Name("/a", 1, 1));
  Read(digester, Name("/a", 1, 1));
  EXPECT_EQ(inner.read().size(), 2U);
}

TEST(LinkAwareDigester, TellsDevicesAlgorithmsPartsAndVersionsApart) {
  FakeDigester inner;
  LinkAwareDigester digester(inner);
  std::vector<DigestRequest> requests(5, Name("/a", 1));
  requests[1].expected.device = 9;
  requests[2].algorithm = DigestAlgorithm::kXxh3_128;
  requests[3].part = ContentPart::kPrefix;
  requests[4].expected.change_time_ns = 9;
  for (const DigestRequest& request : requests) Read(digester, request);
  EXPECT_EQ(inner.read().size(), requests.size());
}

TEST(LinkAwareDigester, LetsEachNameMeetItsOwnFailure) {
  FakeDigester inner([](const DigestRequest& request) -> ItemResult<ContentDigest> {
    if (request.path == "/gone") return ItemError{.path = request.path};
    return FakeDigester::DigestOf(request.expected);
  });
  LinkAwareDigester digester(inner);
  EXPECT_TRUE(std::holds_alternative<ItemError>(RunDigest(digester, Name("/gone", 1))));
  EXPECT_EQ(Read(digester, Name("/here", 1)).bytes_read, 7U);
}

TEST(LinkAwareDigester, DoesNotTakeAnotherInodeForTheOneExpected) {
  FakeDigester inner([](const DigestRequest& request) -> ItemResult<ContentDigest> {
    FileStat replaced = request.expected;
    replaced.inode = request.path == "/replaced" ? 99 : replaced.inode;
    return FakeDigester::DigestOf(replaced);
  });
  LinkAwareDigester digester(inner);
  EXPECT_EQ(Read(digester, Name("/replaced", 1)).stat.inode, 99U);
  EXPECT_EQ(Read(digester, Name("/still", 1)).stat.inode, 1U);
}

TEST(LinkAwareDigester, ForgetsTheOldestBeyondItsBound) {
  FakeDigester inner;
  LinkAwareDigester digester(inner);
  for (std::uint64_t inode = 0; inode <= LinkAwareDigester::kMaxRemembered; ++inode) {
    Read(digester, Name("/a", inode));
  }
  EXPECT_EQ(Read(digester, Name("/b", 1)).bytes_read, 0U);
  EXPECT_EQ(Read(digester, Name("/b", 0)).bytes_read, 7U);
}

TEST(LinkAwareDigester, ReadsOnceAlsoWhenTwoThreadsMeetTheInode) {
  std::latch reading(1);
  std::latch go_on(1);
  FakeDigester inner([&](const DigestRequest& request) -> ItemResult<ContentDigest> {
    reading.count_down();
    go_on.wait();
    return FakeDigester::DigestOf(request.expected);
  });
  LinkAwareDigester digester(inner);
  std::jthread first([&] { Read(digester, Name("/a", 1)); });
  reading.wait();
  std::jthread second([&] { EXPECT_EQ(Read(digester, Name("/b", 1)).bytes_read, 0U); });
  go_on.count_down();
  first.join();
  second.join();
  EXPECT_EQ(inner.read().size(), 1U);
}

// Reads in two turns of its executor.
class SlowDigester final : public ContentDigester {
 public:
  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& executor,
                                             std::stop_token stop) override {
    ++reads;
    co_await executor.Schedule(stop);
    co_return FakeDigester::DigestOf(request.expected);
  }
  int reads = 0;
};

// Two names of one inode that are met on the only thread there is.
struct TwoNames {
  SlowDigester inner;
  LinkAwareDigester digester{inner};
  ManualExecutor executor;
  std::stop_source stop_first;
  std::stop_source stop_second;
  Started<ItemResult<ContentDigest>> first{
      digester.DigestFile(Name("/a", 1), executor, stop_first.get_token())};
  Started<ItemResult<ContentDigest>> second{
      digester.DigestFile(Name("/b", 1), executor, stop_second.get_token())};
};

TEST(LinkAwareDigester, WaitLeavesTheThreadToTheOneThatReads) {
  TwoNames names;
  EXPECT_FALSE(names.second.done());
  names.executor.RunAll();
  EXPECT_EQ(std::get<ContentDigest>(names.first.Get()).bytes_read, 7U);
  EXPECT_EQ(std::get<ContentDigest>(names.second.Get()).bytes_read, 0U);
  EXPECT_EQ(names.inner.reads, 1);
}

TEST(LinkAwareDigester, WaitEndsWhenItIsStopped) {
  TwoNames names;
  names.stop_second.request_stop();
  names.executor.RunAll();
  EXPECT_THROW(names.second.Get(), Cancelled);
  EXPECT_EQ(std::get<ContentDigest>(names.first.Get()).bytes_read, 7U);
}

TEST(LinkAwareDigester, WaitingOneReadsWhenTheOtherIsStopped) {
  TwoNames names;
  names.stop_first.request_stop();
  names.executor.RunAll();
  EXPECT_THROW(names.first.Get(), Cancelled);
  EXPECT_EQ(std::get<ContentDigest>(names.second.Get()).bytes_read, 7U);
}

TEST(LinkAwareDigester, LetsOthersReadAfterOneWasCancelled) {
  FakeDigester inner;
  LinkAwareDigester digester(inner);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(RunDigest(digester, Name("/a", 1), stop.get_token()), Cancelled);
  EXPECT_EQ(Read(digester, Name("/a", 1)).bytes_read, 7U);
}

}  // namespace
}  // namespace sluice
