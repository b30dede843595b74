#include "server/ops/listen_address.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "absl/status/status.h"
#include <gtest/gtest.h>

#include "pipeline/fs/unique_fd.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

// A socket that is bound to the path, and listens while it is open.
UniqueFd ListenOn(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(fd.get(), 1), 0);
  return fd;
}

bool Exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

TEST(ListenAddress, TakesSocketsHostsAndPorts) {
  const auto grpc = [](const char* text) { return Value(ListenAddress::Parse(text)).grpc_address; };
  EXPECT_EQ(grpc("unix:/run/s.sock"), "unix:/run/s.sock");
  EXPECT_EQ(grpc("unix:///run/s.sock"), "unix:/run/s.sock");
  EXPECT_EQ(grpc("127.0.0.1:99"), "127.0.0.1:99");
  EXPECT_EQ(grpc("localhost"), "localhost:7878");
  EXPECT_EQ(grpc("[::1]:99"), "[::1]:99");
  EXPECT_EQ(grpc("::1"), "[::1]:7878");
}

TEST(ListenAddress, KnowsWhatOnlyThisHostReaches) {
  for (const char* text : {"unix:/s", "127.0.0.1", "127.9.9.9:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(Value(ListenAddress::Parse(text)).loopback) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1", "example.org:1"}) {
    EXPECT_FALSE(Value(ListenAddress::Parse(text)).loopback) << text;
  }
}

TEST(ListenAddress, RefusesWhatIsNoAddress) {
  const std::string long_path = "unix:/" + std::string(200, 'x');
  for (const std::string& text :
       {std::string(), std::string(":1"), std::string("host:port"), std::string("host:70000"),
        std::string("unix:relative"), long_path}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ListenAddress::Parse(text).status())) << text;
  }
}

TEST(PrepareSocket, MakesADirectoryForItsOwnerOnly) {
  const TempDirectory directory;
  ASSERT_TRUE(PrepareSocket(directory.File("new/s")).ok());
  struct stat info{};
  ASSERT_EQ(::stat(directory.File("new").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST(PrepareSocket, TakesAStaleSocketAwayAndLeavesOneThatIsServed) {
  const TempDirectory directory;
  const std::string path = directory.File("s");
  UniqueFd server = ListenOn(path);
  EXPECT_TRUE(absl::IsFailedPrecondition(PrepareSocket(path)));
  EXPECT_TRUE(Exists(path));
  server.reset();
  EXPECT_TRUE(PrepareSocket(path).ok());
  EXPECT_FALSE(Exists(path));
}

TEST(PrepareSocket, TouchesNothingThatIsNoSocket) {
  const TempDirectory directory;
  const std::string path = directory.File("file");
  WriteWholeFile(path, "precious");
  EXPECT_TRUE(absl::IsFailedPrecondition(PrepareSocket(path)));
  EXPECT_EQ(ReadWholeFile(path), "precious");
}

}  // namespace
}  // namespace sluice
