#include "pipeline/fs/fs_ops.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "tests/unit/fs/ordinary_user.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

FsOps& fs = SystemFsOps();

UniqueFd Open(const std::string& path, int flags = O_RDONLY) {
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC));
}

std::uint64_t MountIdOf(const std::string& path) {
  std::uint64_t mount_id = 0;
  EXPECT_EQ(fs.MountId(Open(path, O_PATH).get(), &mount_id), 0) << path;
  return mount_id;
}

std::string ContentOf(const std::string& path) {
  std::string content(100, '\0');
  std::size_t count = 0;
  const std::span<std::uint8_t> to(reinterpret_cast<std::uint8_t*>(content.data()), content.size());
  EXPECT_EQ(fs.Read(Open(path).get(), 0, to, &count), 0) << path;
  content.resize(count);
  return content;
}

std::span<const std::uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(FsOps, CreatesAFileOnlyWhereThereIsNone) {
  const TempTree tree;
  const UniqueFd top = Open(tree.root());
  constexpr int kFlags = O_CREAT | O_EXCL | O_RDWR;
  UniqueFd made;
  EXPECT_EQ(fs.OpenBeneath(top.get(), "new", kFlags, 0600, &made), 0);
  EXPECT_EQ(tree.Stat("new").mode, 0600U);
  EXPECT_EQ(fs.OpenBeneath(top.get(), "new", kFlags, 0600, &made), EEXIST);
  EXPECT_FALSE(made.valid());
  tree.MakeSymlink("link", tree.Path("target"));
  EXPECT_EQ(fs.OpenBeneath(top.get(), "link", kFlags, 0600, &made), EEXIST);
}

TEST(FsOps, OpensNothingThroughALinkOrOutside) {
  const TempTree tree;
  tree.Write("directory/file");
  tree.MakeSymlink("link", "directory");
  const UniqueFd top = Open(tree.root());
  UniqueFd opened;
  EXPECT_EQ(fs.OpenBeneath(top.get(), "directory/file", O_RDONLY, 0, &opened), 0);
  EXPECT_EQ(fs.OpenBeneath(top.get(), "link/file", O_RDONLY, 0, &opened), ELOOP);
  EXPECT_EQ(fs.OpenBeneath(top.get(), "../x", O_CREAT | O_EXCL | O_RDWR, 0600, &opened), EXDEV);
}

TEST(FsOps, SeesFilesAndLinksAsTheyAre) {
  const TempTree tree;
  tree.Write("file", "12345");
  tree.MakeSymlink("link", "some/target");
  const UniqueFd top = Open(tree.root());
  FileStat stat;
  EXPECT_EQ(fs.StatAt(top.get(), "link", &stat), 0);
  EXPECT_EQ(stat.type, FileType::kSymlink);
  EXPECT_EQ(fs.Stat(Open(tree.Path("file")).get(), &stat), 0);
  EXPECT_EQ(stat, tree.Stat("file"));
  std::string target;
  EXPECT_EQ(fs.ReadLink(top.get(), "link", &target), 0);
  EXPECT_EQ(target, "some/target");
  EXPECT_EQ(fs.ReadLink(top.get(), "file", &target), EINVAL);
  EXPECT_EQ(fs.StatAt(top.get(), "missing", &stat), ENOENT);
}

TEST(FsOps, TellsMountsApart) {
  const TempTree tree;
  tree.Write("directory/file");
  EXPECT_NE(MountIdOf("/proc"), MountIdOf("/"));
  EXPECT_EQ(MountIdOf(tree.root()), MountIdOf(tree.Path("directory/file")));
  std::uint64_t mount_id = 0;
  EXPECT_EQ(fs.MountId(-1, &mount_id), EBADF);
}

TEST(FsOps, SaysWhatAFileSystemIs) {
  FsOps::FileSystem file_system;
  EXPECT_EQ(fs.StatFileSystem(Open("/proc", O_PATH).get(), &file_system), 0);
  EXPECT_EQ(file_system.type, PROC_SUPER_MAGIC);
  const TempTree tree;
  EXPECT_EQ(fs.StatFileSystem(Open(tree.root(), O_PATH).get(), &file_system), 0);
  EXPECT_FALSE(file_system.read_only);
}

TEST(FsOps, ReadsFewerBytesAtTheEndOnly) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file", "0123456789"));
  std::array<std::uint8_t, 4> bytes{};
  std::size_t count = 0;
  EXPECT_EQ(fs.Read(file.get(), 0, bytes, &count), 0);
  EXPECT_EQ(count, 4U);
  EXPECT_EQ(fs.Read(file.get(), 8, bytes, &count), 0);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(bytes[1], '9');
  EXPECT_EQ(fs.Read(file.get(), 10, bytes, &count), 0);
  EXPECT_EQ(count, 0U);
  EXPECT_EQ(fs.Read(-1, 0, bytes, &count), EBADF);
}

TEST(FsOps, WritesAndTruncatesWhereItIsTold) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file", "0123456789"), O_RDWR);
  EXPECT_EQ(fs.Write(file.get(), 2, BytesOf("abc")), 0);
  EXPECT_EQ(fs.Truncate(file.get(), 6), 0);
  EXPECT_EQ(fs.Sync(file.get()), 0);
  EXPECT_EQ(ContentOf(tree.Path("file")), "01abc5");
  EXPECT_EQ(fs.Write(Open(tree.Path("file")).get(), 0, BytesOf("x")), EBADF);
}

TEST(FsOps, HasNoFlagsWhereTheFileSystemHasNone) {
  std::uint32_t flags = 1;
  EXPECT_EQ(fs.GetFlags(Open("/proc/self/stat").get(), &flags), 0);
  EXPECT_EQ(flags, 0U);
  EXPECT_EQ(fs.GetFlags(-1, &flags), EBADF);
  const TempTree tree;
  EXPECT_EQ(fs.GetFlags(Open(tree.Write("file")).get(), &flags), 0);
  EXPECT_EQ(flags & FS_IMMUTABLE_FL, 0U);
}

TEST(FsOps, CountsOnlyWhatIsAllocated) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("sparse"), O_RDWR);
  const std::string block(4096, 'x');
  // Within the size, or the file system may allocate ahead; more extents than FIEMAP fits at once.
  ASSERT_EQ(fs.Truncate(file.get(), 16 * 1024 * 1024), 0);
  for (std::uint64_t i = 0; i < 200; ++i) fs.Write(file.get(), i * 64 * 1024, BytesOf(block));
  std::uint64_t bytes = 0;
  ASSERT_EQ(fs.ExclusiveBytes(file.get(), &bytes), 0);
  EXPECT_EQ(bytes, tree.Stat("sparse").allocated_bytes);
  EXPECT_LT(bytes, tree.Stat("sparse").size / 2);
  EXPECT_GE(bytes, 200 * block.size());
  EXPECT_EQ(fs.ExclusiveBytes(Open("/proc/self/stat").get(), &bytes), 0);
  EXPECT_EQ(bytes, 0U);
  EXPECT_EQ(fs.ExclusiveBytes(-1, &bytes), EBADF);
}

TEST(FsOps, SharesStorageWhereTheFileSystemCan) {
  const TempTree tree;
  const std::string content(256 * 1024, 'x');
  const UniqueFd from = Open(tree.Write("from", content));
  const UniqueFd to = Open(tree.Write("to", content), O_RDWR);
  std::uint64_t deduped = 0;
  bool same = false;
  const int error = fs.Dedupe(from.get(), to.get(), 0, content.size(), &deduped, &same);
  if (error == EOPNOTSUPP) {
    EXPECT_EQ(fs.Clone(from.get(), to.get()), EOPNOTSUPP);
    GTEST_SKIP() << "no shared storage here";
  }
  ASSERT_EQ(error, 0);
  EXPECT_TRUE(same);
  EXPECT_EQ(deduped, content.size());
  std::uint64_t exclusive = 1;
  EXPECT_EQ(fs.ExclusiveBytes(to.get(), &exclusive), 0);
  EXPECT_EQ(exclusive, 0U);
  fs.Write(to.get(), 0, BytesOf("y"));
  EXPECT_EQ(fs.Dedupe(from.get(), to.get(), 0, content.size(), &deduped, &same), 0);
  EXPECT_FALSE(same);
  EXPECT_EQ(fs.Clone(from.get(), to.get()), 0);
  EXPECT_EQ(ContentOf(tree.Path("to")), content.substr(0, 100));
}

TEST(FsOps, KeepsExtendedAttributes) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"), O_RDWR);
  const std::string value("a\0b", 3);
  ASSERT_EQ(fs.SetXattr(file.get(), "user.one", value), 0);
  ASSERT_EQ(fs.SetXattr(file.get(), "user.two", ""), 0);
  std::string names;
  EXPECT_EQ(fs.ListXattrs(file.get(), &names), 0);
  EXPECT_NE(names.find(std::string("user.one\0", 9)), std::string::npos);
  EXPECT_NE(names.find(std::string("user.two\0", 9)), std::string::npos);
  std::string found;
  EXPECT_EQ(fs.GetXattr(file.get(), "user.one", &found), 0);
  EXPECT_EQ(found, value);
  EXPECT_EQ(fs.GetXattr(file.get(), "user.two", &found), 0);
  EXPECT_EQ(found, "");
  EXPECT_EQ(fs.GetXattr(file.get(), "user.three", &found), ENODATA);
}

TEST(FsOps, SaysWhoMayWriteToADirectory) {
  const TempTree tree;
  const UniqueFd directory = Open(tree.root(), O_PATH | O_DIRECTORY);
  EXPECT_EQ(fs.CheckWritable(directory.get()), 0);
  ::chmod(tree.root().c_str(), 0555);
  const AsOrdinaryUser ordinary;
  EXPECT_EQ(fs.CheckWritable(directory.get()), EACCES);
}

TEST(FsOps, GrantsNoLeaseWhileSomebodyMayWrite) {
  const TempTree tree;
  const std::string path = tree.Write("file");
  const UniqueFd file = Open(path);
  bool holds = true;
  {
    const UniqueFd writer = Open(path, O_WRONLY);
    EXPECT_EQ(fs.TakeReadLease(file.get()), EAGAIN);
    EXPECT_EQ(fs.HoldsLease(file.get(), &holds), 0);
    EXPECT_FALSE(holds);
  }
  EXPECT_EQ(fs.TakeReadLease(file.get()), 0);
  EXPECT_EQ(fs.HoldsLease(file.get(), &holds), 0);
  EXPECT_TRUE(holds);
}

TEST(FsOps, SeesALeaseBeingBroken) {
  const TempTree tree;
  const std::string path = tree.Write("file");
  const UniqueFd file = Open(path);
  ASSERT_EQ(fs.TakeReadLease(file.get()), 0);
  int writer_error = 0;
  std::thread([&] { writer_error = Open(path, O_WRONLY | O_NONBLOCK).valid() ? 0 : errno; }).join();
  EXPECT_EQ(writer_error, EAGAIN);
  bool holds = true;
  EXPECT_EQ(fs.HoldsLease(file.get(), &holds), 0);
  EXPECT_FALSE(holds);
}

TEST(FsOps, LetsWritersInOnceALeaseIsReleased) {
  const TempTree tree;
  const std::string path = tree.Write("file");
  const UniqueFd file = Open(path);
  ASSERT_EQ(fs.TakeReadLease(file.get()), 0);
  EXPECT_EQ(fs.ReleaseLease(file.get()), 0);
  EXPECT_TRUE(Open(path, O_WRONLY | O_NONBLOCK).valid());
  bool holds = true;
  EXPECT_EQ(fs.HoldsLease(file.get(), &holds), 0);
  EXPECT_FALSE(holds);
  EXPECT_EQ(fs.HoldsLease(-1, &holds), EBADF);
}

TEST(FsOps, MakesAndRemovesDirectories) {
  const TempTree tree;
  const UniqueFd top = Open(tree.root());
  EXPECT_EQ(fs.MakeDirectory(top.get(), "new", 0700), 0);
  EXPECT_EQ(tree.Stat("new").type, FileType::kDirectory);
  EXPECT_EQ(tree.Stat("new").mode, 0700U);
  EXPECT_EQ(fs.MakeDirectory(top.get(), "new", 0700), EEXIST);
  tree.Write("new/file");
  EXPECT_EQ(fs.RemoveDirectory(top.get(), "new"), ENOTEMPTY);
  EXPECT_EQ(fs.Unlink(top.get(), "new"), EISDIR);
  tree.Remove("new/file");
  EXPECT_EQ(fs.RemoveDirectory(top.get(), "new"), 0);
}

TEST(FsOps, LinksTheInodeThatIsOpenWhateverItsNameIsNow) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("name", "old"));
  const std::uint64_t inode = tree.Stat("name").inode;
  tree.Rename("name", "moved");
  tree.Write("name", "new");
  const UniqueFd top = Open(tree.root());
  EXPECT_EQ(fs.LinkFile(file.get(), top.get(), "link"), 0);
  EXPECT_EQ(tree.Stat("link").inode, inode);
  EXPECT_EQ(fs.LinkFile(file.get(), top.get(), "link"), EEXIST);
}

TEST(FsOps, MakesSymbolicLinks) {
  const TempTree tree;
  const UniqueFd top = Open(tree.root());
  EXPECT_EQ(fs.MakeSymlink("over/there", top.get(), "link"), 0);
  std::string target;
  EXPECT_EQ(fs.ReadLink(top.get(), "link", &target), 0);
  EXPECT_EQ(target, "over/there");
  EXPECT_EQ(fs.MakeSymlink("else", top.get(), "link"), EEXIST);
}

TEST(FsOps, ExchangesTwoNames) {
  const TempTree tree;
  tree.Write("a/file", "first");
  tree.Write("b/file", "second");
  const UniqueFd a = Open(tree.Path("a"));
  const UniqueFd b = Open(tree.Path("b"));
  EXPECT_EQ(fs.Exchange(a.get(), "file", b.get(), "file"), 0);
  EXPECT_EQ(ContentOf(tree.Path("a/file")), "second");
  EXPECT_EQ(ContentOf(tree.Path("b/file")), "first");
  EXPECT_EQ(fs.Exchange(a.get(), "file", b.get(), "missing"), ENOENT);
}

TEST(FsOps, MovesOverNothing) {
  const TempTree tree;
  tree.Write("a", "first");
  tree.Write("b", "second");
  const UniqueFd top = Open(tree.root());
  EXPECT_EQ(fs.MoveNoReplace(top.get(), "a", top.get(), "b"), EEXIST);
  EXPECT_EQ(fs.MoveNoReplace(top.get(), "a", top.get(), "c"), 0);
  EXPECT_EQ(ContentOf(tree.Path("c")), "first");
  EXPECT_EQ(fs.Unlink(top.get(), "c"), 0);
  EXPECT_EQ(fs.Unlink(top.get(), "c"), ENOENT);
}

TEST(FsOps, SetsModeAndOwner) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"));
  EXPECT_EQ(fs.SetMode(file.get(), 04750), 0);
  EXPECT_EQ(tree.Stat("file").mode, 04750U);
  EXPECT_EQ(fs.SetOwner(file.get(), ::geteuid(), ::getegid()), 0);
  const AsOrdinaryUser ordinary;
  EXPECT_EQ(fs.SetOwner(file.get(), ::geteuid() + 1, ::getegid()), EPERM);
}

TEST(FsOps, SetsTheModifyTimeAlone) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"));
  struct stat before{};
  ASSERT_EQ(::fstat(file.get(), &before), 0);
  for (const std::int64_t time_ns : {1'700'000'000'123'456'789L, -1L, -2'000'000'000L, 0L}) {
    EXPECT_EQ(fs.SetModifyTime(file.get(), time_ns), 0);
    EXPECT_EQ(tree.Stat("file").modify_time_ns, time_ns);
  }
  struct stat after{};
  ASSERT_EQ(::fstat(file.get(), &after), 0);
  EXPECT_EQ(before.st_atim.tv_nsec, after.st_atim.tv_nsec);
}

}  // namespace
}  // namespace sluice
