#include "pipeline/fs/file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace sluice {

namespace {

struct AlgorithmInfo {
  DigestAlgorithm algorithm;
  std::string_view name;
  std::size_t digest_size;
};

constexpr AlgorithmInfo kAlgorithms[] = {
    {DigestAlgorithm::kSha256, "sha256", 32},
    {DigestAlgorithm::kBlake2b256, "blake2b-256", 32},
    {DigestAlgorithm::kXxh3_128, "xxh3-128", 16},
};

const AlgorithmInfo& InfoOf(DigestAlgorithm algorithm) {
  return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

bool IsLowerHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

ItemError::Reason ReasonOf(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ESTALE:
      return ItemError::Reason::kVanished;
    // Nothing is opened by way of a symbolic link or a file unless it took the place of a
    // directory.
    case ELOOP:
    case ENOTDIR:
      return ItemError::Reason::kChanged;
    case EACCES:
    case EPERM:
      return ItemError::Reason::kPermissionDenied;
    default:
      return ItemError::Reason::kIo;
  }
}

}  // namespace

bool SameVersion(const FileStat& a, const FileStat& b) {
  return a.device == b.device && a.inode == b.inode && a.size == b.size &&
         a.modify_time_ns == b.modify_time_ns && a.change_time_ns == b.change_time_ns;
}

std::size_t DigestSize(DigestAlgorithm algorithm) { return InfoOf(algorithm).digest_size; }

std::string DigestText(const Digest& digest) {
  const AlgorithmInfo& info = InfoOf(digest.algorithm);
  const absl::string_view bytes(reinterpret_cast<const char*>(digest.bytes.data()),
                                info.digest_size);
  std::string text(info.name);
  text += ':';
  text += absl::BytesToHexString(bytes);
  return text;
}

std::optional<Digest> ParseDigest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view hex = text.substr(colon + 1);
  for (const AlgorithmInfo& info : kAlgorithms) {
    if (text.substr(0, colon) != info.name) continue;
    if (hex.size() != 2 * info.digest_size || !std::ranges::all_of(hex, IsLowerHex)) break;
    Digest digest{.algorithm = info.algorithm};
    std::ranges::copy(absl::HexStringToBytes(std::string(hex)), digest.bytes.begin());
    return digest;
  }
  return std::nullopt;
}

ItemError MakeItemError(std::string path, std::string operation, int error_number) {
  return {.path = std::move(path),
          .operation = std::move(operation),
          .reason = ReasonOf(error_number),
          .error_number = error_number,
          .message = std::system_category().message(error_number)};
}

}  // namespace sluice
