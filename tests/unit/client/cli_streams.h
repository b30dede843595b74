#ifndef TESTS_UNIT_CLIENT_CLI_STREAMS_H_
#define TESTS_UNIT_CLIENT_CLI_STREAMS_H_

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

#include "gtest/gtest.h"

#include "pipeline/fs/unique_fd.h"

namespace sluice::cli {

// A file without a name, to print into.
class Sink final {
 public:
  Sink() : file_(std::tmpfile()) {}
  ~Sink() { std::fclose(file_); }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  int fd() const { return fileno(file_); }
  std::string Text() const {
    std::string text(static_cast<std::size_t>(lseek(fd(), 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(fd(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }

 private:
  std::FILE* file_;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends = {};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  // A few bytes, which it has room for.
  void Put(const std::string& text) const {
    EXPECT_EQ(write(writer.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // What was written last; waits for it.
  std::string Take() const {
    std::array<char, 1024> buffer = {};
    const ssize_t taken = read(reader.get(), buffer.data(), buffer.size());
    EXPECT_GE(taken, 0);
    return {buffer.data(), static_cast<std::size_t>(taken)};
  }
  UniqueFd reader;
  UniqueFd writer;
};

}  // namespace sluice::cli

#endif  // TESTS_UNIT_CLIENT_CLI_STREAMS_H_
