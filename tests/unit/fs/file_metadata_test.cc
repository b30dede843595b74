#include "pipeline/fs/file_metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "tests/unit/fs/ordinary_user.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {
namespace {

constexpr const char* kAccessAcl = "system.posix_acl_access";
constexpr const char* kDefaultAcl = "system.posix_acl_default";

FsOps& fs = SystemFsOps();

UniqueFd Open(const std::string& path, int flags = O_RDONLY) {
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC));
}

FileMetadata MetadataOf(const UniqueFd& file) {
  FileMetadata metadata;
  EXPECT_EQ(ReadMetadata(fs, file.get(), &metadata), 0);
  return metadata;
}

// An ACL as the system stores it: the owner and user 12345 may read and write, nobody else.
std::string AclForUser12345() {
  constexpr std::uint32_t kNoId = UINT32_MAX;
  std::string acl{'\2', '\0', '\0', '\0'};
  const auto add = [&acl](char tag, char permissions, std::uint32_t id) {
    acl.append({tag, '\0', permissions, '\0'});
    for (int shift = 0; shift < 32; shift += 8) acl.push_back(static_cast<char>(id >> shift));
  };
  add(0x01, 6, kNoId);  // Owner.
  add(0x02, 6, 12345);
  add(0x04, 0, kNoId);  // Group.
  add(0x10, 6, kNoId);  // Mask.
  add(0x20, 0, kNoId);  // Others.
  return acl;
}

TEST(FileMetadata, IsReadWithAllAttributes) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"), O_RDWR);
  ASSERT_EQ(fs.SetMode(file.get(), 0640), 0);
  ASSERT_EQ(fs.SetModifyTime(file.get(), 42), 0);
  ASSERT_EQ(fs.SetXattr(file.get(), "user.a", "1"), 0);
  ASSERT_EQ(fs.SetXattr(file.get(), "user.b", ""), 0);
  const FileMetadata metadata = MetadataOf(file);
  EXPECT_EQ(metadata.uid, ::geteuid());
  EXPECT_EQ(metadata.mode, 0640U);
  EXPECT_EQ(metadata.modify_time_ns, 42);
  EXPECT_EQ(metadata.xattrs.at("user.a"), "1");
  EXPECT_EQ(metadata.xattrs.at("user.b"), "");
}

TEST(FileMetadata, IsRestoredOnANewFile) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"), O_RDWR);
  ASSERT_EQ(fs.SetMode(file.get(), 06750), 0);
  ASSERT_EQ(fs.SetXattr(file.get(), "user.a", "1"), 0);
  ASSERT_EQ(fs.SetModifyTime(file.get(), -7), 0);
  const UniqueFd other = Open(tree.Write("other"), O_RDWR);
  ASSERT_EQ(RestoreMetadata(fs, other.get(), MetadataOf(file)), 0);
  EXPECT_EQ(MetadataOf(other), MetadataOf(file));
}

TEST(FileMetadata, IsRestoredWithTheAcl) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"), O_RDWR);
  const int error = fs.SetXattr(file.get(), kAccessAcl, AclForUser12345());
  if (error == EOPNOTSUPP) GTEST_SKIP() << "no ACLs here";
  ASSERT_EQ(error, 0);
  const UniqueFd other = Open(tree.Write("other"), O_RDWR);
  ASSERT_EQ(RestoreMetadata(fs, other.get(), MetadataOf(file)), 0);
  EXPECT_EQ(MetadataOf(other), MetadataOf(file));
}

TEST(FileMetadata, IsRestoredWithoutAnInheritedAcl) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"), O_RDWR);
  ASSERT_EQ(fs.SetMode(file.get(), 0660), 0);
  tree.MakeDirectory("directory");
  const UniqueFd directory = Open(tree.Path("directory"));
  const int error = fs.SetXattr(directory.get(), kDefaultAcl, AclForUser12345());
  if (error == EOPNOTSUPP) GTEST_SKIP() << "no ACLs here";
  ASSERT_EQ(error, 0);
  const UniqueFd other = Open(tree.Write("directory/other"), O_RDWR);
  ASSERT_TRUE(MetadataOf(other).xattrs.contains(kAccessAcl));
  ASSERT_EQ(RestoreMetadata(fs, other.get(), MetadataOf(file)), 0);
  EXPECT_EQ(MetadataOf(other), MetadataOf(file));
}

TEST(FileMetadata, TakesNoRightsToRestoreWhatIsThereAlready) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"));
  ASSERT_EQ(fs.SetMode(file.get(), 0644), 0);
  FileMetadata metadata = MetadataOf(file);
  if (::geteuid() != 0) GTEST_SKIP() << "takes a file of somebody else";
  const AsOrdinaryUser ordinary;
  EXPECT_EQ(RestoreMetadata(fs, file.get(), metadata), 0);
  metadata.mode = 0600;
  EXPECT_EQ(RestoreMetadata(fs, file.get(), metadata), EPERM);
}

TEST(FileMetadata, GivesNoSetIdBitToAFileOfTheWrongOwner) {
  const TempTree tree;
  const UniqueFd file = Open(tree.Write("file"));
  FileMetadata metadata = MetadataOf(file);
  const std::uint32_t mode = metadata.mode;
  metadata.uid = ::geteuid() + 1;
  metadata.mode = 04755;
  {
    const AsOrdinaryUser ordinary;
    EXPECT_EQ(RestoreMetadata(fs, file.get(), metadata), EPERM);
  }
  EXPECT_EQ(MetadataOf(file).mode, mode);
}

TEST(FileMetadata, DiffersInTheFieldsThatDiffer) {
  const FileMetadata a{.xattrs = {{"user.x", "1"}, {kAccessAcl, "acl"}}};
  EXPECT_EQ(DifferingFields(a, a), std::vector<MetadataField>());
  FileMetadata b = a;
  b.uid = 1;
  EXPECT_EQ(DifferingFields(a, b), std::vector<MetadataField>());
  b.xattrs.erase(kAccessAcl);
  EXPECT_EQ(DifferingFields(a, b), std::vector{MetadataField::kAcl});
  b.xattrs = a.xattrs;
  b.xattrs["user.x"] = "2";
  EXPECT_EQ(DifferingFields(a, b), std::vector{MetadataField::kXattrs});
  const FileMetadata c{.gid = 1, .mode = 1, .modify_time_ns = 1};
  EXPECT_EQ(DifferingFields(a, c),
            (std::vector{MetadataField::kGroup, MetadataField::kMode, MetadataField::kModifyTime,
                         MetadataField::kAcl, MetadataField::kXattrs}));
}

TEST(FileMetadata, IsPrivilegedWithSetIdBitsThatCountOrCapabilities) {
  EXPECT_FALSE(IsPrivileged({.mode = 01777}));
  EXPECT_TRUE(IsPrivileged({.mode = S_ISUID | 0600}));
  EXPECT_FALSE(IsPrivileged({.mode = S_ISGID | 0666}));
  EXPECT_TRUE(IsPrivileged({.mode = S_ISGID | 0610}));
  EXPECT_TRUE(IsPrivileged({.xattrs = {{"security.capability", ""}}}));
  EXPECT_FALSE(IsPrivileged({.xattrs = {{"user.capability", ""}}}));
}

}  // namespace
}  // namespace sluice
