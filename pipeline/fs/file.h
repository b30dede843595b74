#ifndef SLUICE_PIPELINE_FS_FILE_H_
#define SLUICE_PIPELINE_FS_FILE_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

// The values that flow through the pipelines: files, and items that could not be taken.
// Paths are bytes, not text. All are plain values without an owner.
namespace sluice {

enum class FileType : std::uint8_t {
  kRegular,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice,
};

// What lstat says of a file. Times in ns since 1970-01-01 UTC, sizes in bytes.
struct FileStat {
  FileType type = FileType::kRegular;
  std::uint64_t size = 0;
  std::uint64_t allocated_bytes = 0;
  std::int64_t modify_time_ns = 0;
  std::int64_t change_time_ns = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint32_t link_count = 0;
  std::uint32_t mode = 0;  // Permission bits only.
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;

  bool operator==(const FileStat&) const = default;
};

// True when nothing says that the content differs: same inode, size, mtime and ctime.
bool SameVersion(const FileStat& a, const FileStat& b);

enum class DigestAlgorithm : std::uint8_t { kSha256, kBlake2b256, kXxh3_128 };

// Bytes of a digest of this algorithm: 32, 32, 16.
std::size_t DigestSize(DigestAlgorithm algorithm);

struct Digest {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::array<std::uint8_t, 32> bytes{};  // Zero beyond DigestSize(algorithm).

  auto operator<=>(const Digest&) const = default;
};

// "sha256:<hex>", "blake2b-256:<hex>", "xxh3-128:<hex>" (lower case), and back; nullopt for any
// other text.
std::string DigestText(const Digest& digest);
std::optional<Digest> ParseDigest(std::string_view text);

// One name of a file, as it was seen at one moment.
struct FileEntry {
  std::string path;  // Absolute bytes.
  FileStat stat;
  std::optional<Digest> digest;  // Of the whole content.

  bool operator==(const FileEntry&) const = default;
};

// An item that was seen and failed.
struct ItemError {
  enum class Reason : std::uint8_t {
    kVanished,
    kChanged,   // Since it was recorded.
    kUnstable,  // While it was read, three times.
    kPermissionDenied,
    kIo,
  };
  std::string path;
  std::string operation;  // "open directory", "read directory", "stat", "open", "read".
  Reason reason = Reason::kIo;
  int error_number = 0;  // errno; 0 where the system said none.
  std::string message;   // For people; does not repeat the path.

  bool operator==(const ItemError&) const = default;
};

// The error that the system call `operation` on `path` ended with: reason and message by errno.
ItemError MakeItemError(std::string path, std::string operation, int error_number);

// An item that was seen and not taken.
struct SkippedItem {
  enum class Reason : std::uint8_t {
    kType,
    kSize,
    kGlob,
    kHidden,
    kMount,
    kDepth,
    kTime,
    kProtected,
  };
  std::string path;
  Reason reason = Reason::kType;

  bool operator==(const SkippedItem&) const = default;
};

// What a scan yields.
using ScanItem = std::variant<FileEntry, ItemError, SkippedItem>;

// A value, or the failure of one item.
template <typename T>
using ItemResult = std::variant<T, ItemError>;

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_FILE_H_
