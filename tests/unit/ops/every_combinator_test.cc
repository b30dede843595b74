// The table itself: it has a row for every combinator there is.

#include "tests/unit/ops/every_combinator.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace sluice {
namespace {

std::string ContentOf(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A combinator is a function outside of namespace internal that gives a generator, a task, or, by
// `auto`, a stage.
bool DefinesACombinator(std::string header) {
  const std::string begin = "internal {\n";
  const std::string end = "internal\n";  // Of the comment behind its closing brace.
  for (auto at = header.find(begin); at != std::string::npos; at = header.find(begin)) {
    header.erase(at, header.find(end, at) + end.size() - at);
  }
  static const std::regex kFunction(R"(\n(inline )?(auto|AsyncGenerator<.*>|Task<.*>) [A-Z]\w*\()");
  return std::regex_search(header, kFunction);
}

TEST(TheTable, HasARowForEveryHeaderThatDefinesACombinator) {
  const char* root = std::getenv("SLUICE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
  if (root == nullptr) GTEST_SKIP() << "SLUICE_SOURCE_DIR is not set";
  std::set<std::string> headers;
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(root) / "pipeline/ops")) {
    if (file.path().extension() != ".h") continue;
    if (DefinesACombinator(ContentOf(file.path()))) headers.insert(file.path().filename());
  }
  std::set<std::string> in_table;
  for (const Combinator& row : EveryCombinator()) in_table.insert(row.header);
  EXPECT_EQ(headers, in_table);
}

TEST(TheTable, NamesEachRowOnce) {
  std::set<std::string> names;
  for (const Combinator& row : EveryCombinator()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

}  // namespace
}  // namespace sluice
