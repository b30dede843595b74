#ifndef SLUICE_SERVER_JOBS_CONVERT_PARTS_H_
#define SLUICE_SERVER_JOBS_CONVERT_PARTS_H_

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/fs/path_text.h"

// What the conversions of server/jobs/convert*.cc are made of.
namespace sluice {

// Sets `path` and, where the bytes are not their own printable form, `raw_path`.
template <typename Message>
void SetPath(const std::string& path, Message& message) {
  if (IsPrintable(path)) {
    message.set_path(path);
  } else {
    message.set_path(PrintablePath(path));
    message.set_raw_path(path);
  }
}

// The bytes of the path that SetPath has set.
template <typename Message>
const std::string& PathOf(const Message& message) {
  return message.raw_path().empty() ? message.path() : message.raw_path();
}

// One row a value: both directions are read from it.
template <typename Ours, typename Theirs, std::size_t N>
using EnumTable = std::array<std::pair<Ours, Theirs>, N>;

// REQUIRES: the table has a row for every value of ours.
template <typename Ours, typename Theirs, std::size_t N>
Theirs ToProto(const EnumTable<Ours, Theirs, N>& table, Ours value) {
  const auto row = std::ranges::find(table, value, &std::pair<Ours, Theirs>::first);
  assert(row != table.end());
  return row->second;
}

template <typename Ours, typename Theirs, std::size_t N>
std::optional<Ours> FromProto(const EnumTable<Ours, Theirs, N>& table, Theirs value) {
  const auto row = std::ranges::find(table, value, &std::pair<Ours, Theirs>::second);
  return row == table.end() ? std::nullopt : std::optional(row->first);
}

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_CONVERT_PARTS_H_
