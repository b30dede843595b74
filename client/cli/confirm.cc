#include "client/cli/confirm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"

#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

// No answer that means something is as long.
constexpr std::size_t kMaxAnswer = 64;

// Becomes readable when a stop is requested.
class StopEvent final {
 public:
  explicit StopEvent(const std::stop_token& stop)
      : event_(eventfd(0, EFD_CLOEXEC)), on_stop_(stop, Signal{event_.get()}) {
    if (!event_.valid()) throw StatusError(absl::ErrnoToStatus(errno, "cannot ask"));
  }

  int fd() const { return event_.get(); }

 private:
  struct Signal {
    int event;
    void operator()() const {
      const std::uint64_t one = 1;
      // Cannot fail: the counter is at 0.
      (void)!write(event, &one, sizeof(one));
    }
  };

  const UniqueFd event_;
  const std::stop_callback<Signal> on_stop_;
};

// What cannot be written is not seen; then nobody answers, or knows what.
void Write(int fd, absl::string_view text) { (void)!write(fd, text.data(), text.size()); }

// Waits until there is something to read, or its end. Throws Cancelled.
void AwaitInput(int input, const StopEvent& stop) {
  std::array<pollfd, 2> events = {pollfd{.fd = input, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = stop.fd(), .events = POLLIN, .revents = 0}};
  while (poll(events.data(), events.size(), -1) < 0 && errno == EINTR) {
  }
  if (events[1].revents != 0) throw Cancelled();
}

// The next line; nullopt when the input ended before it did. What comes after kMaxAnswer bytes of
// it is left out.
std::optional<std::string> ReadLine(int input, const StopEvent& stop) {
  std::string line;
  while (true) {
    AwaitInput(input, stop);
    char next = 0;
    const ssize_t taken = read(input, &next, 1);
    if (taken < 0 && errno == EINTR) continue;
    if (taken <= 0) return std::nullopt;
    if (next == '\n') return line;
    if (line.size() < kMaxAnswer) line += next;
  }
}

}  // namespace

Terminal::Terminal(UniqueFd both)
    : owned_(std::move(both)), input_(owned_.get()), output_(owned_.get()) {}

std::optional<Terminal> Terminal::Find() {
  const bool input = isatty(STDIN_FILENO) == 1;
  const bool error = isatty(STDERR_FILENO) == 1;
  if (input && error) return Terminal(STDIN_FILENO, STDERR_FILENO);
  if (!input && !error) return std::nullopt;
  UniqueFd terminal(open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal.valid()) return std::nullopt;
  return Terminal(std::move(terminal));
}

bool Terminal::Confirm(absl::string_view question, const std::stop_token& stop) const {
  const StopEvent stopped(stop);
  Write(output_, question);
  try {
    const std::optional<std::string> answer = ReadLine(input_, stopped);
    if (!answer) {
      Write(output_, "\n");
      return false;
    }
    const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(*answer));
    return word == "y" || word == "yes";
  } catch (const Cancelled&) {
    Write(output_, "\n");  // What follows does not stand behind the question.
    throw;
  }
}

}  // namespace sluice::cli
