#include "pipeline/stages/apply/stage_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "pipeline/fs/path_text.h"
#include "pipeline/stages/apply/apply.h"

namespace sluice {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
constexpr mode_t kPrivate = 0700;

const std::string& PrivateName() {
  static const std::string name(kPrivateDirectory);
  return name;
}

// The topmost directory on the way to `location` that lies on `mount`.
int OpenTop(FsOps& fs, const AllowedRoots::Location& location, std::uint64_t mount, UniqueFd* top,
            std::string* path) {
  std::string_view below = ".";
  std::size_t end = 0;
  while (true) {
    std::uint64_t found = 0;
    if (const int error = fs.OpenBeneath(location.directory, below, kDirectoryFlags, 0, top)) {
      return error;
    }
    if (const int error = fs.MountId(top->get(), &found)) return error;
    if (found == mount) {
      *path = below == "." ? std::string(location.root) : JoinPath(location.root, below);
      return 0;
    }
    // A directory that was moved, or mounted over, in the meantime.
    if (end >= location.below.size()) return ESTALE;
    end = location.below.find('/', end == 0 ? 0 : end + 1);
    if (end == std::string_view::npos) end = location.below.size();
    below = location.below.substr(0, end);
  }
}

// Whether an open directory is one that only this process writes to.
int CheckPrivate(FsOps& fs, int directory) {
  constexpr std::uint32_t kOthers = 0077;
  FileStat stat;
  if (const int error = fs.Stat(directory, &stat)) return error;
  const bool is_ours = stat.uid == ::geteuid() && (stat.mode & kOthers) == 0;
  return is_ours ? 0 : EEXIST;
}

int OpenPrivate(FsOps& fs, StageDirectory* stage) {
  const int error =
      fs.OpenBeneath(stage->parent.get(), PrivateName(), kDirectoryFlags, 0, &stage->directory);
  return error != 0 ? error : CheckPrivate(fs, stage->directory.get());
}

int OpenOrMakePrivate(FsOps& fs, StageDirectory* stage) {
  const int error = OpenPrivate(fs, stage);
  if (error != ENOENT) return error;
  const int made = fs.MakeDirectory(stage->parent.get(), PrivateName(), kPrivate);
  if (made != 0 && made != EEXIST) return made;
  if (const int synced = fs.Sync(stage->parent.get())) return synced;
  return OpenPrivate(fs, stage);
}

// The same, locked: what was opened may have been taken away before it was.
int LockPrivate(FsOps& fs, StageDirectory* stage) {
  constexpr int kMaxTries = 16;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    int error = OpenOrMakePrivate(fs, stage);
    if (error == ENOENT) continue;
    if (error == 0) error = fs.TakeLock(stage->directory.get(), FsOps::Lock::kShared);
    FileStat stat;
    if (error == 0) error = fs.Stat(stage->directory.get(), &stat);
    if (error != 0 || stat.link_count > 0) return error;
  }
  return ENOENT;
}

// Fails where somebody uses it, and where it is not empty: it stays then.
void RemoveLocked(FsOps& fs, const StageDirectory& stage) {
  if (fs.TakeLock(stage.directory.get(), FsOps::Lock::kExclusive) != 0) return;
  if (fs.RemoveDirectory(stage.parent.get(), PrivateName()) == 0) (void)fs.Sync(stage.parent.get());
}

ChangeError StageError(int error_number) {
  ChangeError error = {
      .skip = std::nullopt, .operation = "open private directory", .error_number = error_number};
  if (error_number == EROFS) error.skip = SkipReason::kReadOnly;
  if (error_number == EACCES || error_number == EPERM) error.skip = SkipReason::kPermissionDenied;
  return error;
}

}  // namespace

std::optional<ChangeError> MakeStage(FsOps& fs, StageDirectory& stage) {
  if (stage.directory.valid()) return std::nullopt;
  const int error = LockPrivate(fs, &stage);
  if (error == 0) return std::nullopt;
  stage.directory = {};
  return StageError(error);
}

std::optional<ChangeError> StageDirectories::Find(const PinnedName& at, std::uint64_t mount,
                                                  std::shared_ptr<StageDirectory>* stage) {
  const std::optional<AllowedRoots::Location> location = roots_.Locate(at.path);
  if (!location) return StageError(EACCES);
  StageDirectory found;
  std::string top;
  const int error = OpenTop(fs_, *location, mount, &found.parent, &top);
  if (error != 0) return StageError(error);
  found.path = JoinPath(top, kPrivateDirectory);
  *stage = std::make_shared<StageDirectory>(std::move(found));
  return std::nullopt;
}

std::optional<ChangeError> StageDirectories::For(const PinnedName& at,
                                                 std::shared_ptr<StageDirectory>* stage) {
  std::uint64_t mount = 0;
  if (const int error = fs_.MountId(at.directory.get(), &mount)) return StageError(error);
  const auto known = by_mount_.find(mount);
  if (known != by_mount_.end()) {
    *stage = known->second;
    return std::nullopt;
  }
  if (auto error = Find(at, mount, stage)) return error;
  if (by_mount_.size() >= kMaxMounts) by_mount_.erase(by_mount_.begin());
  by_mount_.emplace(mount, *stage);
  return std::nullopt;
}

void StageDirectories::RemoveEmpty() {
  for (const auto& [mount, stage] : by_mount_) {
    if (stage->directory.valid()) RemoveLocked(fs_, *stage);
  }
  by_mount_.clear();
}

int OpenStage(FsOps& fs, const AllowedRoots& roots, const std::string& path,
              StageDirectory* stage) {
  // Whatever a journal says: no other directory is touched.
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || path.substr(slash + 1) != PrivateName()) return EINVAL;
  const std::string top = slash == 0 ? "/" : path.substr(0, slash);
  const std::optional<AllowedRoots::Location> location = roots.Locate(top);
  if (!location) return EACCES;
  const std::string_view below = location->below.empty() ? "." : location->below;
  const int error = fs.OpenBeneath(location->directory, below, kDirectoryFlags, 0, &stage->parent);
  if (error != 0) return error;
  stage->path = path;
  return OpenPrivate(fs, stage);
}

void RemoveStageIfEmpty(FsOps& fs, const AllowedRoots& roots, const std::string& path) {
  StageDirectory stage;
  if (path.empty() || OpenStage(fs, roots, path, &stage) != 0) return;
  RemoveLocked(fs, stage);
}

}  // namespace sluice
