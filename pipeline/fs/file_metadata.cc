#include "pipeline/fs/file_metadata.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

namespace {

using Xattrs = std::map<std::string, std::string>;

constexpr const char* kAccessAcl = "system.posix_acl_access";
constexpr std::array<const char*, 2> kAcls = {kAccessAcl, "system.posix_acl_default"};

// An ACL without entries, which the system takes as none: version 2, little endian.
std::string NoAcl() { return {'\2', '\0', '\0', '\0'}; }

int ReadXattrs(FsOps& fs, int fd, Xattrs* xattrs) {
  std::string names;
  const int error = fs.ListXattrs(fd, &names);
  if (error == EOPNOTSUPP) return 0;
  if (error != 0) return error;
  std::size_t total = 0;
  for (std::string_view rest = names; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    std::string value;
    const int value_error = fs.GetXattr(fd, name, &value);
    if (value_error == ENODATA) continue;  // Removed since it was listed.
    if (value_error != 0) return value_error;
    total += name.size() + value.size();
    if (total > kMaxXattrBytes) return E2BIG;
    xattrs->emplace(name, std::move(value));
  }
  return 0;
}

int RestoreOwner(FsOps& fs, int fd, const FileMetadata& metadata) {
  FileStat now;
  const int error = fs.Stat(fd, &now);
  if (error != 0 || (now.uid == metadata.uid && now.gid == metadata.gid)) return error;
  return fs.SetOwner(fd, metadata.uid, metadata.gid);
}

int RestoreMode(FsOps& fs, int fd, const FileMetadata& metadata) {
  FileStat now;
  const int error = fs.Stat(fd, &now);
  if (error != 0 || now.mode == metadata.mode) return error;
  return fs.SetMode(fd, metadata.mode);
}

int RestoreXattrs(FsOps& fs, int fd, const Xattrs& xattrs) {
  Xattrs now;
  const int error = ReadXattrs(fs, fd, &now);
  if (error != 0) return error;
  for (const auto& [name, value] : xattrs) {
    const auto found = now.find(name);
    if (found != now.end() && found->second == value) continue;
    const int set_error = fs.SetXattr(fd, name, value);
    if (set_error != 0) return set_error;
  }
  // A new file inherits an ACL where its directory has a default one.
  const bool inherited = now.contains(kAccessAcl) && !xattrs.contains(kAccessAcl);
  return inherited ? fs.SetXattr(fd, kAccessAcl, NoAcl()) : 0;
}

int RestoreModifyTime(FsOps& fs, int fd, const FileMetadata& metadata) {
  FileStat now;
  const int error = fs.Stat(fd, &now);
  if (error != 0 || now.modify_time_ns == metadata.modify_time_ns) return error;
  return fs.SetModifyTime(fd, metadata.modify_time_ns);
}

// Moves the ACLs out of `xattrs`.
Xattrs TakeAcls(Xattrs* xattrs) {
  Xattrs acls;
  for (const char* name : kAcls) {
    auto node = xattrs->extract(name);
    if (!node.empty()) acls.insert(std::move(node));
  }
  return acls;
}

}  // namespace

int ReadMetadata(FsOps& fs, int fd, FileMetadata* metadata) {
  FileStat stat;
  const int error = fs.Stat(fd, &stat);
  if (error != 0) return error;
  *metadata = {.uid = stat.uid,
               .gid = stat.gid,
               .mode = stat.mode,
               .modify_time_ns = stat.modify_time_ns,
               .xattrs = {}};
  return ReadXattrs(fs, fd, &metadata->xattrs);
}

int RestoreMetadata(FsOps& fs, int fd, const FileMetadata& metadata) {
  // The owner first: changing it clears set-id bits and capabilities. None of what follows is done
  // when it fails: a set-user-id bit would be of another user.
  int error = RestoreOwner(fs, fd, metadata);
  if (error == 0) error = RestoreMode(fs, fd, metadata);
  if (error == 0) error = RestoreXattrs(fs, fd, metadata.xattrs);
  if (error == 0) error = RestoreModifyTime(fs, fd, metadata);
  return error;
}

std::vector<MetadataField> DifferingFields(const FileMetadata& a, const FileMetadata& b) {
  std::vector<MetadataField> fields;
  if (a.gid != b.gid) fields.push_back(MetadataField::kGroup);
  if (a.mode != b.mode) fields.push_back(MetadataField::kMode);
  if (a.modify_time_ns != b.modify_time_ns) fields.push_back(MetadataField::kModifyTime);
  Xattrs a_others = a.xattrs;
  Xattrs b_others = b.xattrs;
  if (TakeAcls(&a_others) != TakeAcls(&b_others)) fields.push_back(MetadataField::kAcl);
  if (a_others != b_others) fields.push_back(MetadataField::kXattrs);
  return fields;
}

bool IsPrivileged(const FileMetadata& metadata) {
  // Without group-execute, set-group-id once meant mandatory locking.
  constexpr std::uint32_t kSetGroupId = S_ISGID | S_IXGRP;
  return (metadata.mode & S_ISUID) != 0 || (metadata.mode & kSetGroupId) == kSetGroupId ||
         metadata.xattrs.contains("security.capability");
}

}  // namespace sluice
