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

// Finds where objects begin and end, in JSON that is well-formed.
class JsonNesting final {
 public:
  // How many objects and arrays are open after `c`.
  int After(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      escaped_ = c == '\\';
      in_string_ = c != '"';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      --depth_;
    }
    return depth_;
  }

 private:
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

// The objects of {"events":[{…},{…}]}, each on a line.
std::string LinesOfArray(std::string_view json) {
  constexpr int kInArray = 2;
  std::string lines;
  lines.reserve(json.size());
  JsonNesting nesting;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const int before = depth;
    depth = nesting.After(json[i]);
    if (before == kInArray && depth > kInArray) begin = i;
    if (before > kInArray && depth == kInArray) {
      lines.append(json.substr(begin, i + 1 - begin));
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
