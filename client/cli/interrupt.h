#ifndef SLUICE_CLIENT_CLI_INTERRUPT_H_
#define SLUICE_CLIENT_CLI_INTERRUPT_H_

#include <atomic>
#include <csignal>
#include <optional>
#include <stop_token>
#include <thread>

#include "pipeline/fs/unique_fd.h"

namespace sluice::cli {

// Ctrl-C as a stop request
// ========================
//
// The first SIGINT, SIGTERM or SIGHUP requests a stop, so that the command can cancel its job; the
// next one has its ordinary effect and ends the process.
//
// REQUIRES: made before any other thread, since the signals are blocked in every thread made after
// it. One a process.
class Interrupt final {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token stop_token() const { return stop_.get_token(); }

  // 128 + the signal, as shells report it; nullopt before there was one. Thread-safe.
  std::optional<int> exit_status() const;

  // For a child process, which inherits the mask otherwise.
  const sigset_t& original_mask() const { return original_mask_; }

 private:
  void WaitForSignal();

  std::stop_source stop_;
  std::atomic<int> signal_ = 0;
  sigset_t original_mask_;
  UniqueFd signals_;
  UniqueFd closing_;
  std::thread thread_;
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_INTERRUPT_H_
