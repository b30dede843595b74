#include "pipeline/fs/glob.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "pipeline/fs/path_text.h"

namespace sluice {

namespace {

constexpr std::size_t kMaxPatternBytes = 4096;
constexpr std::string_view kAnyComponents = "**";

// One byte of a glob, with the backslash before it if there is one, taken off its front.
std::uint8_t TakeByte(std::string_view& glob) {
  if (glob.front() == '\\') glob.remove_prefix(1);
  const auto byte = static_cast<std::uint8_t>(glob.front());
  glob.remove_prefix(1);
  return byte;
}

bool TakeIf(std::string_view& glob, char c) {
  if (!glob.starts_with(c)) return false;
  glob.remove_prefix(1);
  return true;
}

// Takes "[a-z]" off the front and says whether `byte` is in it. A "]" that stands first is one of
// its members. REQUIRES: it passed CheckBrackets.
bool TakeBracketAndMatch(std::string_view& glob, std::uint8_t byte) {
  glob.remove_prefix(1);
  const bool negated = TakeIf(glob, '!') || TakeIf(glob, '^');
  bool found = false;
  bool first = true;
  while (first || !glob.starts_with(']')) {
    first = false;
    const std::uint8_t low = TakeByte(glob);
    std::uint8_t high = low;
    if (glob.size() >= 2 && glob[0] == '-' && glob[1] != ']') {
      glob.remove_prefix(1);
      high = TakeByte(glob);
    }
    found = found || (low <= byte && byte <= high);
  }
  glob.remove_prefix(1);
  return found != negated;
}

// Takes what matches exactly one byte off the front, and says whether it matches this one.
bool TakeOneAndMatch(std::string_view& glob, char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  if (TakeIf(glob, '?')) return true;
  if (glob.front() == '[') return TakeBracketAndMatch(glob, byte);
  return TakeByte(glob) == byte;
}

// A mismatch goes back to the last star only: what an earlier star could take differently, the last
// one can take as well. So the time is O(glob x text).
bool MatchComponent(std::string_view glob, std::string_view text) {
  std::optional<std::string_view> after_star;
  std::string_view retry_at;
  while (!text.empty()) {
    if (TakeIf(glob, '*')) {
      after_star = glob;
      retry_at = text;
    } else if (!glob.empty() && TakeOneAndMatch(glob, text.front())) {
      text.remove_prefix(1);
    } else if (after_star) {
      retry_at.remove_prefix(1);
      glob = *after_star;
      text = retry_at;
    } else {
      return false;
    }
  }
  while (TakeIf(glob, '*')) {
  }
  return glob.empty();
}

// The same one level up, with "**" for the star. At the end of a pattern it stands for at least one
// component, elsewhere for any number.
bool MatchComponents(std::span<const std::string> globs, std::span<const std::string_view> path) {
  std::optional<std::size_t> after_any;
  std::size_t retry_at = 0;
  std::size_t glob = 0;
  std::size_t at = 0;
  while (at < path.size()) {
    if (glob < globs.size() && globs[glob] == kAnyComponents) {
      if (++glob == globs.size()) return true;
      after_any = glob;
      retry_at = at;
    } else if (glob < globs.size() && MatchComponent(globs[glob], path[at])) {
      ++glob;
      ++at;
    } else if (after_any) {
      glob = *after_any;
      at = ++retry_at;
    } else {
      return false;
    }
  }
  return glob == globs.size();
}

// A reason not to accept the glob of a component, or nullptr.
const char* CheckComponent(std::string_view glob) {
  while (!glob.empty()) {
    if (glob.front() == '\\' && glob.size() == 1) return "a backslash at the end";
    if (glob.front() != '[') {
      TakeByte(glob);
      continue;
    }
    glob.remove_prefix(1);
    if (!TakeIf(glob, '!')) TakeIf(glob, '^');
    for (bool first = true; first || !glob.starts_with(']'); first = false) {
      if (glob.empty() || glob == "\\") return "a bracket that is not closed";
      if (glob.starts_with("[:")) return "a named class such as [:alpha:]";
      TakeByte(glob);
    }
    glob.remove_prefix(1);
  }
  return nullptr;
}

absl::Status Invalid(std::string_view pattern, const std::string& reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("glob \"", PrintablePath(pattern), "\": ", reason));
}

}  // namespace

absl::StatusOr<GlobSet> GlobSet::Compile(const std::vector<std::string>& patterns) {
  GlobSet set;
  for (const std::string& text : patterns) {
    if (text.size() > kMaxPatternBytes) {
      return Invalid(text.substr(0, 64), absl::StrCat("longer than ", kMaxPatternBytes, " bytes"));
    }
    Pattern pattern;
    std::string_view rest = text;
    pattern.negated = TakeIf(rest, '!');
    pattern.directory_only = rest.ends_with('/');
    const std::size_t slash = rest.find('/');
    pattern.anchored = slash != std::string_view::npos && (slash == 0 || slash + 1 < rest.size());
    for (const std::string_view component : PathComponents(rest)) {
      if (const char* reason = CheckComponent(component)) return Invalid(text, reason);
      const bool repeated = component == kAnyComponents && !pattern.components.empty() &&
                            pattern.components.back() == kAnyComponents;
      if (!repeated) pattern.components.emplace_back(component);
    }
    if (pattern.components.empty()) return Invalid(text, "empty");
    set.patterns_.push_back(std::move(pattern));
  }
  return set;
}

bool GlobSet::MatchesComponents(std::span<const std::string_view> path, Kind kind) const {
  if (path.empty()) return false;
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->directory_only && kind != Kind::kDirectory) continue;
    const auto compared = pattern->anchored ? path : path.last(1);
    if (MatchComponents(pattern->components, compared)) return !pattern->negated;
  }
  return false;
}

bool GlobSet::Matches(std::string_view path, Kind kind) const {
  return !patterns_.empty() && MatchesComponents(PathComponents(path), kind);
}

bool GlobSet::MatchesWithParents(std::string_view path, Kind kind) const {
  if (patterns_.empty()) return false;
  const std::vector<std::string_view> components = PathComponents(path);
  const std::span<const std::string_view> all(components);
  for (std::size_t count = 1; count < all.size(); ++count) {
    if (MatchesComponents(all.first(count), Kind::kDirectory)) return true;
  }
  return MatchesComponents(all, kind);
}

}  // namespace sluice
