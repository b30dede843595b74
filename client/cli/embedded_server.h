#ifndef SLUICE_CLIENT_CLI_EMBEDDED_SERVER_H_
#define SLUICE_CLIENT_CLI_EMBEDDED_SERVER_H_

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/fs/unique_fd.h"

namespace sluice::cli {

// A server of one's own
// =====================
//
// Runs the `sluiced` that lies beside this program (else the one on PATH) as a child, reachable by
// nobody else: its socket is in a private temporary directory. What it records stays in the user's
// data directory, so that the next one finds it.
//
// It ends with this process, however that ends. It has a process group of its own, so that Ctrl-C
// reaches it only through Stop, after its jobs have been told.
//
// Not thread-safe. Lifetime: made and destroyed by the main thread, whose end would end it.
class EmbeddedServer final {
 public:
  struct Options {
    std::filesystem::path program;  // Without a slash: looked for on PATH.
    std::filesystem::path data_directory;
    // Signals that the child blocks.
    sigset_t signal_mask;
  };
  // The program and the data directory as described above.
  static absl::StatusOr<Options> DefaultOptions();

  // Returns when the server is ready. Errors: what the server said when it could not start;
  // CANCELLED when stopped before.
  static absl::StatusOr<std::unique_ptr<EmbeddedServer>> Start(Options options,
                                                               const std::stop_token& stop);

  EmbeddedServer(const EmbeddedServer&) = delete;
  EmbeddedServer& operator=(const EmbeddedServer&) = delete;
  // Stops it.
  ~EmbeddedServer();

  // "unix:/…".
  std::string address() const;

 private:
  explicit EmbeddedServer(Options options) : options_(std::move(options)) {}

  absl::Status MakeDirectories();
  absl::Status Spawn();
  absl::Status AwaitReady(const std::stop_token& stop);
  // Asks it to end, and waits until it has.
  void Stop();
  // The end of what it wrote to standard error.
  std::string LastWords() const;

  const Options options_;
  std::filesystem::path directory_;  // Private, for the socket and the log.
  pid_t child_ = -1;
  UniqueFd output_;  // Reads the child's standard output.
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_EMBEDDED_SERVER_H_
