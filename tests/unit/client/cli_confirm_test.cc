#include <stop_token>
#include <string>
#include <thread>

#include "gtest/gtest.h"

#include "client/cli/confirm.h"
#include "pipeline/async/status_error.h"
#include "tests/unit/client/cli_streams.h"

namespace sluice::cli {
namespace {

class ConfirmTest : public testing::Test {
 protected:
  // Whether what was typed, up to the end of the input, means yes.
  bool Means(const std::string& typed) {
    Pipe input;
    input.Put(typed);
    input.writer.reset();
    return Terminal(input.reader.get(), output_.fd()).Confirm("Go on? [y/N] ", {});
  }

  Sink output_;
};

TEST_F(ConfirmTest, OnlyYesMeansYes) {
  for (const char* yes : {"y\n", "Y\n", "yes\n", " YES \r\n"}) EXPECT_TRUE(Means(yes)) << yes;
  for (const char* no : {"n\n", "\n", "yess\n", "no\n", "ya\n", "\ny\n"}) {
    EXPECT_FALSE(Means(no)) << no;
  }
}

TEST_F(ConfirmTest, ALineThatWasNotEndedIsNoAnswer) {
  EXPECT_FALSE(Means(""));
  EXPECT_FALSE(Means("yes"));
}

TEST_F(ConfirmTest, ALongLineIsReadToItsEndAndMeansNo) {
  Pipe input;
  input.Put(std::string(1000, 'y') + "\nyes\n");
  const Terminal terminal(input.reader.get(), output_.fd());
  EXPECT_FALSE(terminal.Confirm("1? ", {}));
  EXPECT_TRUE(terminal.Confirm("2? ", {}));
  EXPECT_EQ(output_.Text(), "1? 2? ");
}

TEST_F(ConfirmTest, AStopEndsTheWaitForAnAnswer) {
  const Pipe input;
  const Pipe output;
  std::stop_source stop;
  const std::jthread interrupter([&] {
    char first_byte = 0;
    EXPECT_EQ(read(output.reader.get(), &first_byte, 1), 1);
    stop.request_stop();
  });
  const Terminal terminal(input.reader.get(), output.writer.get());
  EXPECT_THROW(terminal.Confirm("Go on? ", stop.get_token()), Cancelled);
}

TEST_F(ConfirmTest, AnAnswerDoesNotCountAfterAStop) {
  const Pipe input;
  input.Put("y\n");
  std::stop_source stop;
  stop.request_stop();
  const Terminal terminal(input.reader.get(), output_.fd());
  EXPECT_THROW(terminal.Confirm("Go on? ", stop.get_token()), Cancelled);
}

}  // namespace
}  // namespace sluice::cli
