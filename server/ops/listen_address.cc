#include "server/ops/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "pipeline/fs/unique_fd.h"

namespace sluice {
namespace {

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::StatusOr<ListenAddress> ParseUnix(std::string_view text) {
  ListenAddress address;
  address.socket_path = std::string(text.substr(std::string_view("unix:").size()));
  if (address.socket_path.starts_with("//")) address.socket_path.erase(0, 2);
  if (!address.socket_path.starts_with('/')) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(text), ": a Unix socket needs an absolute path"));
  }
  if (address.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(text),
                                                   ": the path of a Unix socket has at most ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  address.grpc_address = absl::StrCat("unix:", address.socket_path);
  address.loopback = true;
  return address;
}

bool SomebodyListens(const std::string& socket_path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

absl::StatusOr<ListenAddress> ListenAddress::Parse(std::string_view text) {
  if (text.starts_with("unix:")) return ParseUnix(text);
  std::string host(text);
  int port = kDefaultPort;
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  const bool has_port =
      colon != std::string_view::npos &&
      (bracket == std::string_view::npos ? text.find(':') == colon : colon > bracket);
  if (has_port) {
    host = std::string(text.substr(0, colon));
    if (!absl::SimpleAtoi(std::string(text.substr(colon + 1)), &port) || port < 0 ||
        port > 65'535) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(text), ": a port is a number from 0 to 65535"));
    }
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(text), ": must be unix:/path.sock or HOST:PORT"));
  }
  ListenAddress address;
  const bool v6 = host.find(':') != std::string::npos;
  address.grpc_address = absl::StrCat(v6 ? "[" : "", host, v6 ? "]:" : ":", port);
  address.loopback = IsLoopback(host);
  return address;
}

absl::Status PrepareSocket(const std::string& socket_path) {
  const std::filesystem::path directory = std::filesystem::path(socket_path).parent_path();
  std::error_code error;
  if (std::filesystem::create_directories(directory, error)) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make ", directory.string(), ": ", error.message()));
  }
  struct stat info{};
  if (::lstat(socket_path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(socket_path, " exists and is no socket; choose another --listen"));
  }
  if (SomebodyListens(socket_path)) {
    return absl::FailedPreconditionError(
        absl::StrCat(socket_path, " is in use: another server listens there"));
  }
  if (::unlink(socket_path.c_str()) != 0 && errno != ENOENT) {
    return absl::FailedPreconditionError(absl::StrCat("cannot remove the stale socket ",
                                                      socket_path, ": ",
                                                      std::generic_category().message(errno)));
  }
  return absl::OkStatus();
}

}  // namespace sluice
