#include "pipeline/fs/path_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice {

namespace {

std::uint8_t ByteAt(std::string_view text, std::size_t index) {
  return static_cast<std::uint8_t>(text[index]);
}

struct Character {
  std::size_t size = 1;  // Bytes; 1 where they are no UTF-8.
  bool printable = false;
};

// The character that a non-empty text begins with. Overlong forms, surrogates and what lies beyond
// U+10FFFF are no UTF-8: the bounds of the second byte keep them out (Unicode, table 3-7).
Character FirstCharacter(std::string_view text) {
  const std::uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return {.size = 1, .printable = first >= 0x20 && first != 0x7f};
  if (first < 0xc2 || first > 0xf4) return {};
  const std::size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < size) return {};

  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (ByteAt(text, 1) < low || ByteAt(text, 1) > high) return {};
  for (std::size_t i = 2; i < size; ++i) {
    if ((ByteAt(text, i) & 0xc0) != 0x80) return {};
  }
  const bool control = first == 0xc2 && ByteAt(text, 1) < 0xa0;  // U+0080 to U+009F.
  return {.size = size, .printable = !control};
}

// Whether there is nothing but printable ASCII, as in nearly all paths. Looks at all of it rather
// than stop early: the compiler makes vectors of that.
bool IsPlain(std::string_view text) {
  std::uint8_t other = 0;
  for (const char c : text) {
    other |= static_cast<std::uint8_t>(static_cast<std::uint8_t>(c - 0x20) >= 0x7f - 0x20);
  }
  return other == 0;
}

void AppendEscaped(std::string& text, std::uint8_t byte) {
  constexpr std::string_view kHex = "0123456789abcdef";
  text += "\\x";
  text += kHex[byte >> 4];
  text += kHex[byte & 0xf];
}

}  // namespace

bool IsPrintable(std::string_view path) {
  if (IsPlain(path)) return true;
  while (!path.empty()) {
    const Character character = FirstCharacter(path);
    if (!character.printable) return false;
    path.remove_prefix(character.size);
  }
  return true;
}

std::string PrintablePath(std::string_view path) {
  if (IsPrintable(path)) return std::string(path);
  std::string text;
  text.reserve(path.size() + 16);
  while (!path.empty()) {
    const Character character = FirstCharacter(path);
    for (std::size_t i = 0; i < character.size; ++i) {
      if (!character.printable) {
        AppendEscaped(text, ByteAt(path, i));
      } else {
        if (path[i] == '\\') text += '\\';
        text += path[i];
      }
    }
    path.remove_prefix(character.size);
  }
  return text;
}

std::optional<std::string> NormalizePath(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return std::nullopt;
  std::string normalized;
  for (const std::string_view component : PathComponents(path)) {
    if (component == ".") continue;
    if (component != "..") {
      normalized += '/';
      normalized += component;
    } else if (!normalized.empty()) {
      normalized.resize(normalized.rfind('/'));
    }
  }
  return normalized.empty() ? "/" : normalized;
}

std::vector<std::string_view> PathComponents(std::string_view path) {
  std::vector<std::string_view> components;
  while (true) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    if (path.empty()) return components;
    components.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(components.back().size());
  }
}

bool IsWithin(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.starts_with('/');
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path += directory;
  if (!path.ends_with('/')) path += '/';
  path += name;
  return path;
}

}  // namespace sluice
