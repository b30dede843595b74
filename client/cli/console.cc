#include "client/cli/console.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "client/cli/json.h"
#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

// More than this is not collected before it is written.
constexpr std::size_t kFlushBytes = 64 * 1024;

// Gives the errno that stopped it, or 0. REQUIRES: SIGPIPE is ignored.
int WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// There is nobody to tell when standard error is gone; the results matter more.
void WriteIfPossible(int fd, absl::string_view bytes) { (void)WriteAll(fd, bytes); }

bool IsPipe(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

bool TerminalUnderstandsEscapes() {
  // Nothing changes the environment once main() has begun.
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe)
  return term != nullptr && absl::string_view(term) != "dumb";
}

}  // namespace

Console::Options Console::DetectOptions(Format format) {
  Options options = {.format = format};
  const bool escapes = TerminalUnderstandsEscapes();
  const bool no_color = std::getenv("NO_COLOR") != nullptr;  // NOLINT(concurrency-mt-unsafe)
  options.colors = escapes && !no_color && isatty(options.output) == 1;
  options.progress = escapes && isatty(options.error) == 1 && !IsPipe(options.output);
  return options;
}

void Console::Print(absl::string_view text) {
  absl::StrAppend(&printed_, text);
  if (printed_.size() >= kFlushBytes) Flush();
}

void Console::PrintJson(const google::protobuf::Message& message) {
  Print(JsonText(message));
  Print("\n");
}

void Console::Flush() {
  if (printed_.empty()) return;
  std::string progress = progress_;
  ClearProgress();
  const int error = WriteAll(options_.output, std::exchange(printed_, {}));
  if (error == EPIPE) throw OutputClosed();
  if (error != 0) throw StatusError(absl::ErrnoToStatus(error, "cannot write the output"));
  ShowProgress(std::move(progress));
}

void Console::Note(absl::string_view line) {
  Flush();
  std::string progress = progress_;
  ClearProgress();
  WriteIfPossible(options_.error, absl::StrCat(line, "\n"));
  ShowProgress(std::move(progress));
}

void Console::ShowProgress(std::string line) {
  if (!options_.progress || line.empty()) return;
  progress_ = std::move(line);
  WriteIfPossible(options_.error, absl::StrCat("\r", progress_, "\x1b[K"));
}

void Console::ClearProgress() {
  if (progress_.empty()) return;
  progress_.clear();
  WriteIfPossible(options_.error, "\r\x1b[K");
}

std::size_t Console::width() const {
  struct winsize size = {};
  if (ioctl(options_.error, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string Console::Bold(absl::string_view text) const { return Styled("\x1b[1m", text); }
std::string Console::Dim(absl::string_view text) const { return Styled("\x1b[2m", text); }

std::string Console::Styled(absl::string_view code, absl::string_view text) const {
  if (!options_.colors) return std::string(text);
  return absl::StrCat(code, text, "\x1b[0m");
}

}  // namespace sluice::cli
