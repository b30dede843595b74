#ifndef SLUICE_PIPELINE_FS_GLOB_H_
#define SLUICE_PIPELINE_FS_GLOB_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice {

// A list of gitignore-style globs (https://git-scm.com/docs/gitignore, section PATTERN FORMAT):
// `*` and `?` do not match a slash, `[a-z]` and `[!a-z]` match one byte, `**` matches any number of
// components; a pattern with a slash at its beginning or in its middle is anchored at the base,
// another one matches at any depth; a slash at the end matches directories only; `!` takes a match
// of an earlier pattern back; a backslash takes the next byte literally. Comments (`#`) are not
// special. Matching is on bytes, in time O(pattern x path), whatever the pattern.
// Immutable, thread-safe.
class GlobSet final {
 public:
  enum class Kind { kFile, kDirectory };

  GlobSet() = default;

  // INVALID_ARGUMENT, with the reason, for an empty pattern, an open bracket, a named class
  // ("[:alpha:]"), a backslash at the end, a pattern longer than 4,096 bytes.
  static absl::StatusOr<GlobSet> Compile(const std::vector<std::string>& patterns);

  bool empty() const { return patterns_.empty(); }

  // Whether the last pattern that matches `path` (relative to the base, or absolute: a leading
  // slash does not count) is a positive one. A file below a matching directory matches too only
  // when asked with `MatchesWithParents`.
  bool Matches(std::string_view path, Kind kind) const;

  // Matches, or any of its parent directories does.
  bool MatchesWithParents(std::string_view path, Kind kind) const;

 private:
  struct Pattern {
    std::vector<std::string> components;  // At least one; a single one unless anchored.
    bool negated = false;
    bool anchored = false;
    bool directory_only = false;
  };

  bool MatchesComponents(std::span<const std::string_view> path, Kind kind) const;

  std::vector<Pattern> patterns_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_GLOB_H_
