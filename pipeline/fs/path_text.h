#ifndef SLUICE_PIPELINE_FS_PATH_TEXT_H_
#define SLUICE_PIPELINE_FS_PATH_TEXT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// Paths are bytes; what is shown to people and put into UTF-8 strings is their printable form.

// True when the bytes are valid UTF-8 without control characters (below 0x20, 0x7f, and U+0080 to
// U+009F), so that they are their own printable form.
bool IsPrintable(std::string_view path);

// The path itself where IsPrintable; else each byte that is no UTF-8, and each byte of a control
// character, stands as \xNN (lower-case hex), and a backslash is doubled.
std::string PrintablePath(std::string_view path);

// The absolute path without "." and empty components, ".." resolved by the text alone (as far as
// "/"), no slash at the end. nullopt when it is not absolute or holds a zero byte.
std::optional<std::string> NormalizePath(std::string_view path);

// The components of a path, without empty ones. They refer to `path`.
std::vector<std::string_view> PathComponents(std::string_view path);

// True when `path` is `directory` or lies below it. Both normalized.
bool IsWithin(std::string_view path, std::string_view directory);

// `directory` + "/" + `name`, without a second slash below "/".
std::string JoinPath(std::string_view directory, std::string_view name);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_PATH_TEXT_H_
