#include "client/cli/embedded_server.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sluice::cli {

namespace {

namespace fs = std::filesystem;

// A socket's path is at most 107 bytes long, and so a temporary directory may be too deep.
constexpr std::size_t kMaxTemporaryDirectory = 64;

constexpr std::streamoff kLastWordsBytes = 4096;

// Nothing changes the environment once main() has begun.
std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

// What the child does between fork and exec: only what is async-signal-safe, since the parent has
// threads. Never returns.
[[noreturn]] void BecomeServer(const std::vector<char*>& arguments, pid_t parent,
                               const sigset_t& signal_mask, int output, int error) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);  // It ended before the line above.
  signal(SIGPIPE, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &signal_mask, nullptr);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  execvp(arguments[0], arguments.data());
  constexpr std::string_view kMessage = "cannot run sluiced: is it installed beside sluice?\n";
  (void)!write(STDERR_FILENO, kMessage.data(), kMessage.size());
  _exit(127);
}

}  // namespace

absl::StatusOr<EmbeddedServer::Options> EmbeddedServer::DefaultOptions() {
  Options options;
  sigemptyset(&options.signal_mask);
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "sluiced";
  options.program = !error && access(beside.c_str(), X_OK) == 0 ? beside : "sluiced";
  const std::string data_home = Environment("XDG_DATA_HOME");
  const std::string home = Environment("HOME");
  if (data_home.empty() && home.empty()) {
    return absl::FailedPreconditionError("neither XDG_DATA_HOME nor HOME says where data belongs");
  }
  options.data_directory =
      (data_home.empty() ? fs::path(home) / ".local/share" : fs::path(data_home)) / "sluice";
  return options;
}

absl::StatusOr<std::unique_ptr<EmbeddedServer>> EmbeddedServer::Start(Options options,
                                                                      const std::stop_token& stop) {
  std::unique_ptr<EmbeddedServer> server(new EmbeddedServer(std::move(options)));
  if (absl::Status status = server->MakeDirectories(); !status.ok()) return status;
  if (absl::Status status = server->Spawn(); !status.ok()) return status;
  if (absl::Status status = server->AwaitReady(stop); !status.ok()) return status;
  return server;
}

EmbeddedServer::~EmbeddedServer() {
  Stop();
  std::error_code ignored;  // What is left lies in the system's directory for such things.
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

std::string EmbeddedServer::address() const {
  return absl::StrCat("unix:", (directory_ / "sluiced.sock").string());
}

absl::Status EmbeddedServer::MakeDirectories() {
  std::error_code error;
  fs::create_directories(options_.data_directory, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot make ", options_.data_directory.string()));
  }
  fs::path parent = fs::temp_directory_path(error);
  if (error || parent.native().size() > kMaxTemporaryDirectory) parent = "/tmp";
  std::string pattern = parent / "sluice-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a directory in ", parent.string()));
  }
  directory_ = pattern;
  return absl::OkStatus();
}

absl::Status EmbeddedServer::Spawn() {
  std::array<std::string, 4> words = {
      options_.program,
      absl::StrCat("--listen=", address()),
      absl::StrCat("--data_dir=", options_.data_directory.string()),
      "--allow_root=/",
  };
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  std::array<int, 2> pipe_ends = {-1, -1};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  output_ = UniqueFd(pipe_ends[0]);
  const UniqueFd output(pipe_ends[1]);
  const UniqueFd log(open((directory_ / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!log.valid()) return absl::ErrnoToStatus(errno, "cannot make the server's log");

  const pid_t parent = getpid();
  child_ = fork();
  if (child_ < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child_ == 0) BecomeServer(arguments, parent, options_.signal_mask, output.get(), log.get());
  return absl::OkStatus();
}

absl::Status EmbeddedServer::AwaitReady(const std::stop_token& stop) {
  // Ends the read below: the pipe is closed with the child.
  const std::stop_callback on_stop(stop, [child = child_] { kill(child, SIGTERM); });
  std::string said;
  std::array<char, 512> buffer = {};
  while (said.find('\n') == std::string::npos) {
    const ssize_t size = read(output_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      Stop();
      if (stop.stop_requested()) return absl::CancelledError("interrupted");
      return absl::FailedPreconditionError(
          absl::StrCat("the embedded server did not start: ", LastWords()));
    }
    said.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return absl::OkStatus();
}

void EmbeddedServer::Stop() {
  if (child_ < 0) return;
  kill(child_, SIGTERM);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
}

std::string EmbeddedServer::LastWords() const {
  std::ifstream log(directory_ / "log", std::ios::binary | std::ios::ate);
  const std::streamoff size = log.tellg();
  log.seekg(size > kLastWordsBytes ? size - kLastWordsBytes : 0);
  std::ostringstream words;
  words << log.rdbuf();
  return std::string(absl::StripAsciiWhitespace(words.str()));
}

}  // namespace sluice::cli
