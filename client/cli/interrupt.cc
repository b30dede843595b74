#include "client/cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace sluice::cli {

namespace {

sigset_t Interrupting() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

UniqueFd Checked(int fd) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "cannot handle signals");
  return UniqueFd(fd);
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t signals = Interrupting();
  pthread_sigmask(SIG_BLOCK, &signals, &original_mask_);
  signals_ = Checked(signalfd(-1, &signals, SFD_CLOEXEC));
  closing_ = Checked(eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread([this] { WaitForSignal(); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  // Cannot fail: the counter is at 0.
  (void)!write(closing_.get(), &one, sizeof(one));
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &original_mask_, nullptr);
}

std::optional<int> Interrupt::exit_status() const {
  const int signal = signal_.load(std::memory_order_acquire);
  if (signal == 0) return std::nullopt;
  return 128 + signal;
}

void Interrupt::WaitForSignal() {
  std::array<pollfd, 2> events = {pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = closing_.get(), .events = POLLIN, .revents = 0}};
  while (poll(events.data(), events.size(), -1) < 0 && errno == EINTR) {
  }
  signalfd_siginfo info = {};
  if ((events[0].revents & POLLIN) == 0 || read(signals_.get(), &info, sizeof(info)) <= 0) return;
  signal_.store(static_cast<int>(info.ssi_signo), std::memory_order_release);
  // From here on this thread takes the signals, with their ordinary effect.
  pthread_sigmask(SIG_SETMASK, &original_mask_, nullptr);
  stop_.request_stop();
  // Until the end: a thread that has gone takes no signals.
  while (poll(&events[1], 1, -1) < 0 && errno == EINTR) {
  }
}

}  // namespace sluice::cli
