#ifndef SLUICE_SERVER_OPS_CONFIG_H_
#define SLUICE_SERVER_OPS_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace sluice {

// The settings of `sluiced`. Each is a flag; what no flag says is taken from the environment
// (SLUICE_DATA_DIR for --data_dir), then from the file of --config, then the default.
struct Config {
  std::vector<std::string> listen;  // "unix:/path.sock" or "HOST:PORT".
  std::string data_dir;
  std::vector<std::string> allow_root;
  bool insecure_plaintext = false;
  std::size_t job_threads = 0;  // 0: two a processor, at least 4.
  std::size_t max_running_jobs = 16;
  std::size_t max_queued_jobs = 1000;
  std::size_t max_streams = 1000;
  int grace_seconds = 10;
  std::string resume_jobs = "auto";         // Or "paused".
  std::uint64_t job_retention_seconds = 0;  // 0: for ever.
  std::uint64_t max_catalog_bytes = 0;      // 0: no bound.
  std::string log_level = "info";
};

// What a command line came to: settings to run with, or a text to print and an exit status.
struct EarlyExit {
  int status = 0;
  std::string text;  // On stdout when the status is 0, else one line on stderr.
};
std::variant<Config, EarlyExit> ParseConfig(int argc, const char* const* argv);

// $XDG_RUNTIME_DIR/sluice/sluiced.sock, or /run/sluice/sluiced.sock.
std::string DefaultSocket();

}  // namespace sluice

#endif  // SLUICE_SERVER_OPS_CONFIG_H_
