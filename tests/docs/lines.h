#ifndef SLUICE_TESTS_DOCS_LINES_H_
#define SLUICE_TESTS_DOCS_LINES_H_

#include <cassert>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/ops/pipe.h"

namespace sluice {

// [LinesImpl]
namespace internal {

inline AsyncGenerator<std::string> LinesImpl(AsyncGenerator<std::string> chunks,
                                             std::size_t max_bytes) {
  std::string line;
  while (auto chunk = co_await chunks.Next()) {
    for (const char c : *chunk) {
      if (c == '\n') {
        co_yield std::exchange(line, {});
      } else if (line.size() < max_bytes) {
        line += c;
      } else {
        throw StatusError(absl::OutOfRangeError("a line is too long"));
      }
    }
  }
  if (!line.empty()) co_yield std::move(line);
}

}  // namespace internal
// [/LinesImpl]

// [Lines]
// Cuts chunks of text into lines, without their '\n'. What follows the last '\n' is a line too,
// unless it is empty.
//
//   auto lines = ReadChunks(file) | Lines(64 * 1024);
//
// Lazy. Bound: one chunk; the next is asked for when the last one is used up. Memory: a chunk and a
// line. Order: the source's.
// Errors: OUT_OF_RANGE at a line of more than `max_bytes`; those of the source.
// Cancellation: the source's. Dropping: drops the source. REQUIRES: max_bytes >= 1.
inline auto Lines(std::size_t max_bytes) {
  assert(max_bytes >= 1);
  return [max_bytes](AsyncGenerator<std::string> chunks) {
    return internal::LinesImpl(std::move(chunks), max_bytes);
  };
}
// [/Lines]

}  // namespace sluice

#endif  // SLUICE_TESTS_DOCS_LINES_H_
