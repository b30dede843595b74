#include "pipeline/fs/content_digester.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/fs/file_reading.h"
#include "pipeline/fs/hasher.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/ordinary_user.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

using OnChange = DigestRequest::OnChange;

Digest Sha256(std::string_view content) {
  const auto hasher = MakeHasher(DigestAlgorithm::kSha256);
  hasher->Update({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
  return hasher->Finish();
}

std::string Pattern(std::size_t size) {
  std::string content(size, '\0');
  for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7 % 251);
  return content;
}

Task<> TakeTurns(Executor& executor, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) co_await executor.Schedule();
}

class FileContentDigesterTest : public testing::Test {
 protected:
  DigestRequest Request(std::string_view name, OnChange on_change = OnChange::kFail) const {
    return {.path = tree_.Path(name), .expected = tree_.Stat(name), .on_change = on_change};
  }
  static ItemResult<ContentDigest> Run(FileContentDigester& digester, DigestRequest request,
                                       std::stop_token stop = {}) {
    InlineExecutor executor;
    return executor.Run(digester.DigestFile(std::move(request), executor, std::move(stop)));
  }
  ContentDigest Read(const DigestRequest& request) {
    return std::get<ContentDigest>(Run(digester_, request));
  }
  ItemError Fail(const DigestRequest& request) {
    return std::get<ItemError>(Run(digester_, request));
  }

  const TempTree tree_;
  const AllowedRoots roots_ = tree_.Roots();
  FileContentDigester digester_{roots_};
};

TEST_F(FileContentDigesterTest, DigestsContentOfAnySize) {
  constexpr std::size_t kBuffer = FileContentDigester::kReadBufferBytes;
  for (const std::size_t size : {0UL, 1UL, kBuffer - 1, kBuffer, kBuffer + 1, 3 * kBuffer}) {
    const std::string content = Pattern(size);
    tree_.Write("file", content);
    const ContentDigest read = Read(Request("file"));
    EXPECT_EQ(read.digest, Sha256(content)) << size;
    EXPECT_EQ(read.bytes_read, size);
    EXPECT_EQ(read.stat, tree_.Stat("file"));
  }
}

TEST_F(FileContentDigesterTest, ReadOfALargeFileCanBeWatchedAndStopped) {
  std::filesystem::resize_file(tree_.Write("file"), std::uintmax_t{4} << 40);
  std::atomic<std::uint64_t> reading = 0;
  DigestRequest request = Request("file");
  request.reading = &reading;
  std::jthread reader(
      [&](std::stop_token stop) { EXPECT_THROW((void)Run(digester_, request, stop), Cancelled); });
  while (reading.load() == 0) std::this_thread::yield();
  reader.request_stop();
  reader.join();
  EXPECT_EQ(reading.load(), 0U);
}

TEST_F(FileContentDigesterTest, DigestsAFileInTurnsWithOthers) {
  constexpr std::uint64_t kTurns = 4;
  const std::string content(kTurns * FileContentDigester::kYieldBytes, 'x');
  tree_.Write("file", content);
  ManualExecutor executor;
  using Reading = Started<ItemResult<ContentDigest>>;
  Reading one(digester_.DigestFile(Request("file"), executor, {}));
  EXPECT_TRUE(one.done()) << "nobody waits for the thread";
  Started<void> waiting(TakeTurns(executor, kTurns));
  Reading other(digester_.DigestFile(Request("file"), executor, {}));
  EXPECT_FALSE(other.done());
  EXPECT_EQ(executor.RunAll(), 2 * kTurns - 1);
  EXPECT_EQ(std::get<ContentDigest>(other.Get()).digest, Sha256(content));
}

TEST_F(FileContentDigesterTest, DigestsTheEndsOfAFile) {
  for (const std::size_t size : {0UL, 1UL, kContentEndBytes, kContentEndBytes + 1, 100'000UL}) {
    const std::string content = Pattern(size);
    tree_.Write("file", content);
    const std::size_t end = std::min(size, kContentEndBytes);
    DigestRequest request = Request("file");
    request.part = ContentPart::kPrefix;
    EXPECT_EQ(Read(request).digest, Sha256(content.substr(0, end))) << size;
    request.part = ContentPart::kSuffix;
    EXPECT_EQ(Read(request).digest, Sha256(content.substr(size - end))) << size;
    EXPECT_EQ(Read(request).bytes_read, end);
  }
}

TEST_F(FileContentDigesterTest, UsesTheAlgorithmAskedFor) {
  tree_.Write("file", "abc");
  DigestRequest request = Request("file");
  request.algorithm = DigestAlgorithm::kXxh3_128;
  EXPECT_EQ(DigestText(Read(request).digest), "xxh3-128:06b05ab6733a618578af5f94892f3950");
}

TEST_F(FileContentDigesterTest, FailsForAnotherVersionThanTheExpected) {
  tree_.Write("file", "old");
  const DigestRequest request = Request("file");
  tree_.Write("file", "newer");
  const ItemError error = Fail(request);
  EXPECT_EQ(error.reason, ItemError::Reason::kChanged);
  EXPECT_EQ(error.path, tree_.Path("file"));
}

TEST_F(FileContentDigesterTest, FollowsTheVersionThatItFinds) {
  tree_.Write("file", "old");
  const DigestRequest request = Request("file", OnChange::kFollow);
  tree_.Write("file", "newer");
  const ContentDigest read = Read(request);
  EXPECT_EQ(read.digest, Sha256("newer"));
  EXPECT_EQ(read.stat, tree_.Stat("file"));
}

TEST_F(FileContentDigesterTest, ReportsAFileThatVanished) {
  tree_.Write("file", "content");
  const DigestRequest request = Request("file", OnChange::kFollow);
  tree_.Remove("file");
  EXPECT_EQ(Fail(request).reason, ItemError::Reason::kVanished);
}

TEST_F(FileContentDigesterTest, NeitherBlocksOnNorReadsAFifoThatTookAFilesPlace) {
  tree_.Write("file", "content");
  const DigestRequest request = Request("file", OnChange::kFollow);
  tree_.Remove("file");
  tree_.MakeFifo("file");
  EXPECT_EQ(Fail(request).reason, ItemError::Reason::kChanged);
}

TEST_F(FileContentDigesterTest, FollowsNoSymbolicLinkThatTookAFilesPlace) {
  tree_.Write("file", "content");
  const DigestRequest request = Request("file", OnChange::kFollow);
  tree_.Remove("file");
  tree_.MakeSymlink("file", "/etc/passwd");
  EXPECT_EQ(Fail(request).reason, ItemError::Reason::kChanged);
}

TEST_F(FileContentDigesterTest, ReadsNothingOutsideTheRoots) {
  const DigestRequest request{.path = "/etc/passwd", .on_change = OnChange::kFollow};
  EXPECT_EQ(Fail(request).reason, ItemError::Reason::kPermissionDenied);
}

TEST_F(FileContentDigesterTest, ReportsAFileThatMayNotBeRead) {
  ::chmod(tree_.root().c_str(), 0755);
  ::chmod(tree_.Write("secret").c_str(), 0);
  const AsOrdinaryUser ordinary;
  const ItemError error = Fail({.path = tree_.Path("secret"), .on_change = OnChange::kFollow});
  EXPECT_EQ(error.reason, ItemError::Reason::kPermissionDenied);
  EXPECT_EQ(error.operation, "open");
}

TEST_F(FileContentDigesterTest, ReadsFilesOfOthersWithoutTheRightToKeepTheAccessTime) {
  ::chmod(tree_.root().c_str(), 0755);
  ::chmod(tree_.Write("public", "abc").c_str(), 0644);
  const AsOrdinaryUser ordinary;
  EXPECT_EQ(Read({.path = tree_.Path("public"), .on_change = OnChange::kFollow}).digest,
            Sha256("abc"));
}

TEST_F(FileContentDigesterTest, LeavesTheAccessTimeAlone) {
  const std::string path = tree_.Write("file", "abc");
  const timespec long_ago[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  Read(Request("file"));
  struct stat after;
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_atim.tv_sec, 1);
}

int g_tries = 0;

void AppendOnce(const std::string& path) {
  if (++g_tries > 1) return;
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  EXPECT_EQ(::write(file.get(), "+", 1), 1);
}

void AppendAlways(const std::string& path) {
  g_tries = 0;
  AppendOnce(path);
}

TEST_F(FileContentDigesterTest, ReadsAgainWhatChangedWhileItWasRead) {
  g_tries = 0;
  tree_.Write("file", "abc");
  digester_.set_after_read_for_test(&AppendOnce);
  const ContentDigest read = Read(Request("file", OnChange::kFollow));
  EXPECT_EQ(read.digest, Sha256("abc+"));
  EXPECT_EQ(read.stat, tree_.Stat("file"));
  EXPECT_EQ(read.bytes_read, 7U) << "both tries count";
}

TEST_F(FileContentDigesterTest, GivesUpOnAFileThatKeepsChanging) {
  tree_.Write("file", "abc");
  digester_.set_after_read_for_test(&AppendAlways);
  EXPECT_EQ(Fail(Request("file", OnChange::kFollow)).reason, ItemError::Reason::kUnstable);
  EXPECT_EQ(tree_.Stat("file").size, 3U + FileContentDigester::kReadTries);
}

TEST_F(FileContentDigesterTest, FailsWhereTheExpectedVersionChangesWhileItIsRead) {
  g_tries = 0;
  tree_.Write("file", "abc");
  digester_.set_after_read_for_test(&AppendOnce);
  EXPECT_EQ(Fail(Request("file")).reason, ItemError::Reason::kChanged);
}

void ReplaceOnce(const std::string& path) {
  if (++g_tries > 1) return;
  const std::string other = path + ".new";
  const UniqueFd file(::open(other.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(::write(file.get(), "new", 3), 3);
  EXPECT_EQ(::rename(other.c_str(), path.c_str()), 0);
}

TEST_F(FileContentDigesterTest, ReadsWhatTookTheNameWhileItWasRead) {
  g_tries = 0;
  tree_.Write("file", "old");
  digester_.set_after_read_for_test(&ReplaceOnce);
  const ContentDigest read = Read(Request("file", OnChange::kFollow));
  EXPECT_EQ(read.digest, Sha256("new"));
  EXPECT_EQ(read.stat, tree_.Stat("file"));
}

TEST_F(FileContentDigesterTest, NeverDigestsAFileWhoseSizeIsNotThatOfItsContent) {
  const AllowedRoots proc = *AllowedRoots::Open({"/proc"});
  FileContentDigester digester(proc);  // Its files have content and the size 0.
  const DigestRequest request{.path = "/proc/version", .on_change = OnChange::kFollow};
  EXPECT_EQ(std::get<ItemError>(Run(digester, request)).reason, ItemError::Reason::kUnstable);
}

TEST_F(FileContentDigesterTest, DigestsTheMiddleOfALargeFileBeforeItsEnd) {
  const std::string content = Pattern(kContentMiddleFromBytes + 1);
  tree_.Write("file", content);
  DigestRequest request = Request("file");
  request.part = ContentPart::kSuffix;
  EXPECT_EQ(Read(request).digest, Sha256(content.substr(content.size() / 2, kContentEndBytes) +
                                         content.substr(content.size() - kContentEndBytes)));
}

// A file of `size` with `bytes` at `place`, and holes around them.
std::string Sparse(const TempTree& tree, std::size_t size, const std::string& bytes,
                   std::size_t place) {
  const std::string path = tree.Write("sparse");
  std::filesystem::resize_file(path, size);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(place)),
            static_cast<ssize_t>(bytes.size()));
  std::string content(size, '\0');
  return content.replace(place, bytes.size(), bytes);
}

TEST_F(FileContentDigesterTest, DigestsHolesWithoutReadingThem) {
  for (const std::size_t size : {100'000UL, 3'000'000UL, 20'000'001UL}) {
    for (const std::size_t place : {0UL, size / 2, size - 10}) {
      const std::string content = Sparse(tree_, size, "0123456789", place);
      for (const auto part : {ContentPart::kPrefix, ContentPart::kSuffix, ContentPart::kWhole}) {
        DigestRequest request = Request("sparse");
        request.part = part;
        std::string expected;
        for (const Extent& extent : ExtentsOf(part, size)) {
          expected += content.substr(extent.begin, extent.size());
        }
        const ContentDigest read = Read(request);
        EXPECT_EQ(read.digest, Sha256(expected)) << size << ' ' << place;
        EXPECT_LE(read.bytes_read, 64U * 1024) << "a block or two";
      }
    }
  }
}

void FillTheHole(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(::pwrite(file.get(), "x", 1, 1'000'000), 1);
}

TEST_F(FileContentDigesterTest, NoticesThatAHoleIsFilledMeanwhile) {
  Sparse(tree_, 3'000'000, "abc", 0);
  digester_.set_after_read_for_test(&FillTheHole);
  EXPECT_EQ(Fail(Request("sparse")).reason, ItemError::Reason::kChanged);
}

TEST_F(FileContentDigesterTest, ReadsNothingThatTookAFilesPlace) {
  for (const OnChange on_change : {OnChange::kFail, OnChange::kFollow}) {
    tree_.Write("file", "content");
    const DigestRequest request = Request("file", on_change);
    tree_.Remove("file");
    tree_.MakeFifo("file");
    EXPECT_EQ(Fail(request).reason, ItemError::Reason::kChanged);
    tree_.Remove("file");
    tree_.MakeDirectory("file");
    EXPECT_EQ(Fail(request).reason, ItemError::Reason::kChanged);
    tree_.Remove("file");
  }
}

TEST_F(FileContentDigesterTest, KeepsTheBytesOfWhatFits) {
  tree_.Write("file", "content");
  std::array<std::uint8_t, 7> bytes{};
  DigestRequest request = Request("file");
  request.keep = std::span(bytes).first(6);
  EXPECT_FALSE(Read(request).kept);
  request.keep = bytes;
  EXPECT_TRUE(Read(request).kept);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "content");
}

TEST_F(FileContentDigesterTest, ReadsWhatWasOpenedAhead) {
  tree_.Write("file", "content");
  DigestRequest request = Request("file");
  OpenedFile file;
  digester_.ReadAhead(request, file);
  request.opened = file.fd();
  EXPECT_EQ(Read(request).digest, Sha256("content"));
  tree_.Remove("file");
  EXPECT_EQ(Fail(request).reason, ItemError::Reason::kChanged);
}

TEST_F(FileContentDigesterTest, KeepsFewFilesOpenAhead) {
  tree_.Write("file", "content");
  std::vector<OpenedFile> files(FileContentDigester::kMaxOpened + 1);
  for (OpenedFile& file : files) digester_.ReadAhead(Request("file"), file);
  EXPECT_GE(files[FileContentDigester::kMaxOpened - 1].fd(), 0);
  EXPECT_EQ(files.back().fd(), -1);
  files.front() = {};
  digester_.ReadAhead(Request("file"), files.back());
  EXPECT_GE(files.back().fd(), 0);
}

TEST_F(FileContentDigesterTest, StopsBeforeItReads) {
  tree_.Write("file", "abc");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW((void)Run(digester_, Request("file"), stop.get_token()), Cancelled);
}

TEST_F(FileContentDigesterTest, KeepsNoDescriptor) {
  tree_.Write("file", "abc");
  const std::size_t before = CountOpenDescriptors();
  Read(Request("file"));
  Fail({.path = tree_.Path("missing"), .on_change = OnChange::kFollow});
  EXPECT_EQ(CountOpenDescriptors(), before);
}

TEST_F(FileContentDigesterTest, ReadsPathsLongerThanTheSystemTakes) {
  const DeepChain chain(tree_.root(), 60, std::string(200, 'd'));
  const std::string path = chain.DeepestPath() + "/f";
  EXPECT_EQ(Read({.path = path, .on_change = OnChange::kFollow}).digest, Sha256(""));
}

}  // namespace
}  // namespace sluice
