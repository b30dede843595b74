#include "client/cli/json.h"

#include <cassert>
#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"

#include "pipeline/async/status_error.h"

namespace sluice::cli {

namespace {

// Where the string that begins at `begin` (its opening quote) ends: behind its closing quote.
std::size_t EndOfString(std::string_view json, std::size_t begin) {
  std::size_t quote = begin;
  std::size_t first_escape = 0;
  do {
    quote = json.find('"', quote + 1);
    assert(quote != json.npos);
    first_escape = quote;
    while (json[first_escape - 1] == '\\') --first_escape;
  } while ((quote - first_escape) % 2 != 0);  // The quote itself is escaped.
  return quote + 1;
}

// The objects of {"events":[{…},{…}]}, each on a line. REQUIRES: well-formed JSON.
std::string LinesOfArray(std::string_view json) {
  constexpr int kInArray = 2;
  std::string lines;
  lines.reserve(json.size());
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (c == '"') {
      i = EndOfString(json, i);
      continue;
    }
    if ((c == '{' || c == '[') && depth++ == kInArray) begin = i;
    ++i;
    if ((c == '}' || c == ']') && --depth == kInArray) {
      lines.append(json.substr(begin, i - begin));
      lines += '\n';
    }
  }
  assert(depth == 0);
  return lines;
}

}  // namespace

std::string JsonText(const google::protobuf::Message& message) {
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text);
  if (!status.ok()) {
    throw StatusError(absl::InternalError(
        absl::StrCat("cannot print a ", message.GetTypeName(), " as JSON: ", status.ToString())));
  }
  return text;
}

std::string JsonLines(google::protobuf::RepeatedPtrField<v1::JobEvent> events) {
  // Every call of protobuf's printer makes the descriptions of all types that it meets, for more
  // than the printing itself: so all events are one message, whose text is cut.
  v1::EventBatch batch;
  batch.mutable_events()->Swap(&events);
  return LinesOfArray(JsonText(batch));
}

}  // namespace sluice::cli
