#ifndef SLUICE_PIPELINE_FS_FILE_METADATA_H_
#define SLUICE_PIPELINE_FS_FILE_METADATA_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/fs/fs_ops.h"

namespace sluice {

// What a file has beside its content: what is lost with its inode, and what an undo restores.
struct FileMetadata {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;  // Permission bits, set-id bits included.
  std::int64_t modify_time_ns = 0;
  // All extended attributes, ACLs among them. At most kMaxXattrBytes together.
  std::map<std::string, std::string> xattrs;

  bool operator==(const FileMetadata&) const = default;
};

inline constexpr std::size_t kMaxXattrBytes = 256 * 1024;

enum class MetadataField : std::uint8_t { kGroup, kMode, kModifyTime, kAcl, kXattrs };

// 0 or errno; E2BIG beyond kMaxXattrBytes.
int ReadMetadata(FsOps& fs, int fd, FileMetadata* metadata);
// Sets owner, mode, attributes and, last, the time. 0 or the first errno. What cannot be set (an
// owner by one who is not root) is an error only where it differs.
int RestoreMetadata(FsOps& fs, int fd, const FileMetadata& metadata);
// In the order of the enumeration; owners are not compared.
std::vector<MetadataField> DifferingFields(const FileMetadata& a, const FileMetadata& b);
// Set-user-id, set-group-id of an executable, or file capabilities.
bool IsPrivileged(const FileMetadata& metadata);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_FILE_METADATA_H_
