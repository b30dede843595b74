#ifndef SLUICE_CLIENT_CLI_CONSOLE_H_
#define SLUICE_CLIENT_CLI_CONSOLE_H_

#include <cstddef>
#include <exception>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace sluice::cli {

// Nobody reads standard output any more (EPIPE): the command ends, quietly.
class OutputClosed final : public std::exception {
 public:
  const char* what() const noexcept override { return "standard output was closed"; }
};

// The two streams of a command
// ============================
//
// Results go to standard output, in one write a batch; what is said about them (errors, progress)
// goes to standard error. A terminal has one progress line at its bottom, which steps aside for
// whatever is printed.
//
// A write blocks while the reader is slow, and with it the coroutine that prints: that is how
// `sluice scan | less` comes to stop the server's disks.
//
// Not thread-safe. Errors: OutputClosed; StatusError for what else a write may meet (ENOSPC).
class Console final {
 public:
  enum class Format { kText, kJson };

  struct Options {
    int output = 1;
    int error = 2;
    Format format = Format::kText;
    bool colors = false;
    bool progress = false;
  };

  // What the descriptors and the environment ask for: colours for a terminal (NO_COLOR, TERM=dumb),
  // progress for a terminal unless results flow through a pipe.
  static Options DetectOptions(Format format);

  explicit Console(const Options& options) : options_(options) {}
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  // What was printed and not flushed is lost: after a failure there is nothing to do about it.
  ~Console() = default;

  bool json() const { return options_.format == Format::kJson; }

  // Adds to the results.
  void Print(absl::string_view text);
  // Adds JsonText as a line.
  void PrintJson(const google::protobuf::Message& message);
  // Writes what was printed.
  void Flush();

  // Adds a line to standard error, after what was printed so far.
  void Note(absl::string_view line);

  // Replaces the progress line. Nothing happens where there is none.
  void ShowProgress(std::string line);
  void ClearProgress();
  bool shows_progress() const { return options_.progress; }
  std::size_t width() const;

  // `text` in bold where there are colours.
  std::string Bold(absl::string_view text) const;
  std::string Dim(absl::string_view text) const;

 private:
  std::string Styled(absl::string_view code, absl::string_view text) const;

  const Options options_;
  std::string printed_;
  std::string progress_;  // What stands at the bottom of the screen.
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_CONSOLE_H_
