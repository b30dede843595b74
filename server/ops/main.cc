// sluiced: reads its settings, serves until SIGTERM or SIGINT, drains.

#include <grpc/support/log.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "server/ops/config.h"
#include "server/ops/server.h"

namespace {

constexpr int kFailure = 1;
constexpr int kUsageError = 2;

// What of it concerns a person is said by this program, in one line.
void LogOfGrpc(gpr_log_func_args* args) { spdlog::debug("grpc: {}", args->message); }

void SetUpLogging(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("sluiced"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  spdlog::set_level(spdlog::level::from_str(level));
  gpr_set_log_function(LogOfGrpc);
}

// Blocked before any thread is made, so that they are delivered to sigwait alone.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Large sorts hold some hundred files open for a time, and the usual soft limit, 1,024, is meant
// for programs that call select(). Where it cannot be raised, jobs that need more say so.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "sluiced: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? kUsageError : kFailure;
}

int Serve(const sluice::Config& config) {
  const sigset_t signals = BlockSignals();
  SetUpLogging(config.log_level);
  ::umask(0077);
  RaiseDescriptorLimit();
  absl::StatusOr<std::unique_ptr<sluice::Server>> server = sluice::Server::Start(config);
  if (!server.ok()) return Fail(server.status());
  if (config.allow_root.empty()) {
    spdlog::warn("no --allow_root was given: nothing can be scanned");
  }
  std::printf("sluiced %s listening on %s\n", SLUICE_VERSION,
              absl::StrJoin((*server)->addresses(), " ").c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("draining");
  (*server)->Stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = sluice::ParseConfig(argc, argv);
  if (const auto* exit = std::get_if<sluice::EarlyExit>(&parsed)) {
    std::fputs(exit->text.c_str(), exit->status == 0 ? stdout : stderr);
    if (exit->status != 0) std::fputc('\n', stderr);
    return exit->status;
  }
  return Serve(std::get<sluice::Config>(parsed));
}
