// Where sequences begin, and where they end.

#include <functional>
#include <istream>
#include <optional>
#include <ranges>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/ops/collect.h"
#include "pipeline/ops/concat.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_callbacks.h"
#include "pipeline/ops/from_pull.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/reduce.h"
#include "pipeline/ops/zip.h"
#include "tests/docs/guide.h"

namespace sluice {
namespace {

TEST_F(Guide, FromValues) {
  // [FromValues]
  EXPECT_EQ(All(FromValues(3, 1, 2)), Numbers({3, 1, 2}));
  // [/FromValues]
}

TEST_F(Guide, FromRange) {
  // [FromRange]
  EXPECT_EQ(All(FromRange(std::views::iota(1, 4))), Numbers({1, 2, 3}));
  EXPECT_EQ(All(FromRange(Words{"a", "b"})), Words({"a", "b"}));  // Moved out of the vector.
  // [/FromRange]
}

// [FromPull]
AsyncGenerator<std::string> WordsOf(std::istream& text) {
  return FromPull([&text]() -> std::optional<std::string> {
    std::string word;
    return text >> word ? std::optional(word) : std::nullopt;
  });
}
// [/FromPull]

TEST_F(Guide, FromPull) {
  std::istringstream text("to be or");
  EXPECT_EQ(All(WordsOf(text)), Words({"to", "be", "or"}));
}

TEST_F(Guide, FromCallbacks) {
  // [FromCallbacks]
  std::jthread caller;  // Stands for an API with threads of its own.
  auto readings = FromCallbacks<int>(scope, /*capacity=*/8, [&caller](Emitter<int> emitter) {
    caller = std::jthread([emitter] {
      for (int reading = 1; reading <= 3; ++reading) {
        if (emitter.Emit(reading) == EmitResult::kGone) return;  // Nobody listens any more.
      }
      emitter.Close();
    });
  });
  EXPECT_EQ(All(std::move(readings)), Numbers({1, 2, 3}));
  // [/FromCallbacks]
}

TEST_F(Guide, Concat) {
  // [Concat]
  EXPECT_EQ(All(Concat(FromValues(1, 2), FromValues(3))), Numbers({1, 2, 3}));
  // [/Concat]
}

TEST_F(Guide, Zip) {
  // [Zip]
  auto rows = Zip(FromValues(1, 2, 3), FromValues<std::string>("one", "two"));
  EXPECT_EQ(All(std::move(rows)),
            (std::vector<std::tuple<int, std::string>>{{1, "one"}, {2, "two"}}));
  // [/Zip]
}

TEST_F(Guide, Collect) {
  // [Collect]
  EXPECT_EQ(Run(FromValues(1, 2, 3) | Collect()), Numbers({1, 2, 3}));
  // [/Collect]
}

TEST_F(Guide, Count) {
  // [Count]
  EXPECT_EQ(Run(FromValues(1, 2, 3) | Count()), 3U);
  // [/Count]
}

TEST_F(Guide, Reduce) {
  // [Reduce]
  EXPECT_EQ(Run(FromValues(1, 2, 3) | Reduce(0, std::plus())), 6);
  // [/Reduce]
}

TEST_F(Guide, ForEach) {
  // [ForEach]
  std::string written;
  Run(FromValues<std::string>("a", "b") |
      ForEach([&written](const std::string& s) { written += s; }));
  EXPECT_EQ(written, "ab");
  // [/ForEach]
}

}  // namespace
}  // namespace sluice
