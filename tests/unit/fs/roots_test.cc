#include "pipeline/fs/roots.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "tests/unit/fs/ordinary_user.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

absl::StatusCode CodeOfOpen(const std::string& path) {
  return AllowedRoots::Open({path}).status().code();
}

int ErrorOf(const AllowedRoots& roots, const std::string& path) {
  return roots.OpenPath(path, O_RDONLY).error_number;
}

TEST(AllowedRoots, OpensWhatLiesWithinARoot) {
  const TempTree tree;
  tree.Write("a/b/file");
  const AllowedRoots roots = tree.Roots();
  EXPECT_TRUE(roots.OpenPath(tree.Path("a/b/file"), O_RDONLY).fd.valid());
  EXPECT_TRUE(roots.OpenPath(tree.root(), O_RDONLY | O_DIRECTORY).fd.valid());
  EXPECT_EQ(ErrorOf(roots, tree.Path("a/missing")), ENOENT);
}

TEST(AllowedRoots, RefusesWhatLiesOutside) {
  const TempTree tree;
  const AllowedRoots roots = tree.Roots();
  EXPECT_EQ(ErrorOf(roots, "/etc/passwd"), EACCES);
  EXPECT_EQ(ErrorOf(roots, tree.root() + "x"), EACCES);
  EXPECT_FALSE(roots.Allows("/etc"));
  EXPECT_TRUE(roots.Allows(tree.Path("not/there")));
  EXPECT_EQ(ErrorOf(AllowedRoots(), "/etc"), EACCES);
}

TEST(AllowedRoots, LetsNoSymbolicLinkLeadOut) {
  const TempTree tree;
  tree.MakeSymlink("etc", "/etc");
  tree.MakeSymlink("passwd", "/etc/passwd");
  tree.MakeSymlink("up", "..");
  const AllowedRoots roots = tree.Roots();
  EXPECT_EQ(ErrorOf(roots, tree.Path("etc/passwd")), ELOOP);
  EXPECT_EQ(ErrorOf(roots, tree.Path("passwd")), ELOOP);
  EXPECT_EQ(ErrorOf(roots, tree.Path("up/x")), ELOOP);
}

TEST(AllowedRoots, FollowsNoSymbolicLinkWithinEither) {
  const TempTree tree;
  tree.Write("real/file");
  tree.MakeSymlink("link", "real");
  EXPECT_EQ(ErrorOf(tree.Roots(), tree.Path("link/file")), ELOOP);
}

TEST(OpenBeneath, RefusesToClimb) {
  const TempTree tree;
  tree.MakeDirectory("a");
  const UniqueFd directory(::open(tree.Path("a").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(OpenBeneath(directory.get(), "..", O_RDONLY).error_number, EXDEV);
  EXPECT_EQ(OpenBeneath(directory.get(), "../..", O_RDONLY).error_number, EXDEV);
  EXPECT_EQ(OpenBeneath(directory.get(), "/etc", O_RDONLY).error_number, EXDEV);
}

TEST(OpenBeneath, RefusesMagicLinks) {
  const UniqueFd proc(::open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(OpenBeneath(proc.get(), "root/etc", O_RDONLY).error_number, ELOOP);
  EXPECT_EQ(OpenBeneath(proc.get(), "cwd", O_RDONLY).error_number, ELOOP);
}

TEST(AllowedRoots, ResolvesPathsLongerThanTheSystemTakes) {
  const TempTree tree;
  const DeepChain chain(tree.root(), 60, std::string(200, 'd'));
  const std::string path = chain.DeepestPath();
  const AllowedRoots roots = tree.Roots();
  EXPECT_TRUE(roots.OpenPath(path + "/f", O_RDONLY).fd.valid());
  EXPECT_EQ(ErrorOf(roots, path + "/missing"), ENOENT);
  EXPECT_EQ(ErrorOf(roots, path + "/f/below"), ENOTDIR);
}

TEST(AllowedRoots, RefusesNamesLongerThanTheSystemTakes) {
  const TempTree tree;
  const AllowedRoots roots = tree.Roots();
  EXPECT_EQ(ErrorOf(roots, tree.Path(std::string(256, 'x'))), ENAMETOOLONG);
  EXPECT_EQ(ErrorOf(roots, tree.Path(std::string(5000, 'x'))), ENAMETOOLONG);
  tree.MakeDirectory("a");
  EXPECT_EQ(ErrorOf(roots, tree.Path("a/" + std::string(5000, 'x') + "/b")), ENAMETOOLONG);
}

TEST(AllowedRoots, IsReachedByTheNameGivenAndByTheCanonicalOne) {
  const TempTree tree;
  tree.Write("real/file");
  tree.MakeSymlink("link", tree.Path("real"));
  const AllowedRoots roots = *AllowedRoots::Open({tree.Path("link/./")});
  EXPECT_EQ(roots.paths(), std::vector<std::string>{tree.Path("link")});
  EXPECT_TRUE(roots.OpenPath(tree.Path("link/file"), O_RDONLY).fd.valid());
  EXPECT_TRUE(roots.OpenPath(tree.Path("real/file"), O_RDONLY).fd.valid());
  EXPECT_FALSE(roots.Allows(tree.root()));
}

TEST(AllowedRoots, GoesThroughTheInnermostRoot) {
  const TempTree tree;
  const TempTree other;
  other.Write("file");
  tree.MakeSymlink("link", other.root());
  const AllowedRoots roots = *AllowedRoots::Open({tree.root(), tree.Path("link")});
  EXPECT_TRUE(roots.OpenPath(tree.Path("link/file"), O_RDONLY).fd.valid());
}

TEST(AllowedRoots, KeepsToTheDirectoryThatWasOpened) {
  const TempTree tree;
  tree.Write("data/old");
  const AllowedRoots roots = *AllowedRoots::Open({tree.Path("data")});
  tree.Rename("data", "moved");
  tree.MakeSymlink("data", "/etc");
  EXPECT_TRUE(roots.OpenPath(tree.Path("data/old"), O_RDONLY).fd.valid());
  EXPECT_EQ(ErrorOf(roots, tree.Path("data/passwd")), ENOENT);
}

TEST(AllowedRoots, MayBeTheWholeFileSystem) {
  const AllowedRoots roots = *AllowedRoots::Open({"/"});
  EXPECT_TRUE(roots.Allows("/"));
  EXPECT_TRUE(roots.OpenPath("/", O_RDONLY).fd.valid());
  EXPECT_TRUE(roots.OpenPath("/etc/passwd", O_RDONLY).fd.valid());
}

TEST(AllowedRoots, SaysWhyARootCannotBeOne) {
  const TempTree tree;
  const std::string file = tree.Write("file");
  EXPECT_EQ(CodeOfOpen("relative/path"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOfOpen(tree.Path("missing")), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOfOpen(file), absl::StatusCode::kFailedPrecondition);
  const auto status = AllowedRoots::Open({tree.root(), file}).status();
  EXPECT_NE(std::string(status.message()).find(file), std::string::npos) << status;
}

TEST(AllowedRoots, SaysWhenARootMayNotBeReached) {
  const TempTree tree;
  tree.MakeDirectory("locked/inner");
  ::chmod(tree.root().c_str(), 0755);
  ::chmod(tree.Path("locked").c_str(), 0);
  absl::StatusCode code;
  {
    const AsOrdinaryUser ordinary;
    code = CodeOfOpen(tree.Path("locked/inner"));
  }
  ::chmod(tree.Path("locked").c_str(), 0700);
  EXPECT_EQ(code, absl::StatusCode::kPermissionDenied);
}

TEST(AllowedRoots, NeitherBlocksOnNorConnectsToSpecialFiles) {
  const TempTree tree;
  const std::string fifo = tree.MakeFifo("fifo");
  EXPECT_TRUE(tree.Roots().OpenPath(fifo, O_RDONLY | O_NONBLOCK).fd.valid());
  EXPECT_TRUE(tree.Roots().OpenPath(fifo, O_PATH).fd.valid());
}

TEST(StatAt, SaysWhatALinkIsAndNotWhereItLeads) {
  const TempTree tree;
  tree.Write("file", "12345");
  tree.MakeSymlink("link", tree.Path("file"));
  EXPECT_EQ(tree.Stat("file").type, FileType::kRegular);
  EXPECT_EQ(tree.Stat("file").size, 5U);
  EXPECT_EQ(tree.Stat("link").type, FileType::kSymlink);
}

TEST(StatAt, TellsTypesApart) {
  const TempTree tree;
  tree.MakeFifo("fifo");
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  tree.Path("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(tree.Stat("").type, FileType::kDirectory);
  EXPECT_EQ(tree.Stat("fifo").type, FileType::kFifo);
  EXPECT_EQ(tree.Stat("socket").type, FileType::kSocket);
  FileStat device;
  ASSERT_EQ(StatAt(AT_FDCWD, "/dev/null", &device), 0);
  EXPECT_EQ(device.type, FileType::kCharacterDevice);
}

TEST(StatAt, AgreesWithStatFd) {
  const TempTree tree;
  const std::string path = tree.Write("file", "content");
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 2}, {.tv_sec = 3, .tv_nsec = 4}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  FileStat stat;
  ASSERT_EQ(StatFd(file.get(), &stat), 0);
  EXPECT_EQ(stat, tree.Stat("file"));
  EXPECT_EQ(stat.modify_time_ns, 3'000'000'004);
  EXPECT_EQ(stat.link_count, 1U);
  EXPECT_EQ(StatAt(AT_FDCWD, tree.Path("missing").c_str(), &stat), ENOENT);
  EXPECT_EQ(StatFd(-1, &stat), EBADF);
}

}  // namespace
}  // namespace sluice
