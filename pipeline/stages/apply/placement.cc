#include "pipeline/stages/apply/placement.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// Each but the first means that somebody has replaced the path once more in between.
constexpr int kMaxTries = 64;

// An object that is known by its inode number, which nothing else gets as long as this is there.
struct Held {
  UniqueFd fd;
  InodeId id;
};

int Hold(FsOps& fs, int directory, const std::string& name, Held* held) {
  constexpr int kFlags = O_PATH | O_NOFOLLOW;
  FileStat stat;
  int error = fs.OpenBeneath(directory, name, kFlags, 0, &held->fd);
  // Without a descriptor to spare it is most likely the same, still.
  error = error == 0 ? fs.Stat(held->fd.get(), &stat) : fs.StatAt(directory, name, &stat);
  if (error == 0) held->id = IdOf(stat);
  return error;
}

std::optional<ChangeError> Drop(FsOps& fs, int stage, const std::string& name) {
  const int error = fs.Unlink(stage, name);
  return error == 0 ? std::nullopt : std::optional(ErrorOfChange("unlink", error));
}

}  // namespace

ChangeError ErrorOfChange(std::string operation, int error_number) {
  ChangeError error = {
      .skip = std::nullopt, .operation = std::move(operation), .error_number = error_number};
  switch (error_number) {
    case ENOENT:
      error.skip = SkipReason::kVanished;
      break;
    case EINVAL:
    case EOPNOTSUPP:
    case ENOSYS:
      error.skip = SkipReason::kUnsupported;
      break;
    case EXDEV:
      error.skip = SkipReason::kOtherFileSystem;
      break;
    case EROFS:
      error.skip = SkipReason::kReadOnly;
      break;
    case EACCES:
    case EPERM:
      error.skip = SkipReason::kPermissionDenied;
      break;
    default:
      break;
  }
  return error;
}

int UnlinkVerified(FsOps& fs, const StageDirectory& stage, const std::string& name,
                   InodeId expected) {
  FileStat stat;
  if (const int error = fs.StatAt(stage.directory.get(), name, &stat)) return error;
  if (IdOf(stat) != expected) return EEXIST;
  return fs.Unlink(stage.directory.get(), name);
}

bool IsStaged(FsOps& fs, const StageDirectory& stage, const std::string& name) {
  FileStat stat;
  return stage.directory.valid() && fs.StatAt(stage.directory.get(), name, &stat) != ENOENT;
}

ChangeError Rescue(FsOps& fs, const StageDirectory& stage, const std::string& name, int cause) {
  const std::string kept = absl::StrCat("rescued-", name);
  const int error = fs.MoveNoReplace(stage.directory.get(), name, stage.directory.get(), kept);
  return {.skip = std::nullopt,
          .operation = absl::StrCat("exchange back (what was in its place is kept as ", stage.path,
                                    "/", error == 0 ? kept : name, ")"),
          .error_number = cause};
}

std::optional<ChangeError> TakeBack(FsOps& fs, const Placement& placement) {
  const int stage = placement.stage.directory.get();
  const int directory = placement.at.directory.get();
  const std::string& name = placement.name;
  Held out;  // At stage/name: what was at the path, put there by others.
  if (const int error = Hold(fs, stage, name, &out)) return ErrorOfChange("stat", error);
  if (out.id == placement.ours) return Drop(fs, stage, name);
  Held in_place = {.fd = {}, .id = placement.ours};  // What was put at the path from here.
  int cause = EBUSY;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    cause = fs.Exchange(stage, name, directory, placement.at.name);
    if (cause == ENOENT) {
      // The path was unlinked meanwhile. Better a file too many than a content too few.
      cause = fs.MoveNoReplace(stage, name, directory, placement.at.name);
      if (cause == 0) return std::nullopt;
      if (cause == EEXIST) continue;
    }
    if (cause != 0) break;
    Held next;
    if (const int error = Hold(fs, stage, name, &next)) return ErrorOfChange("stat", error);
    if (next.id == in_place.id) {
      if (in_place.id == placement.ours) return Drop(fs, stage, name);
      break;  // The path has what was put there last; this is older.
    }
    // Somebody has replaced in the meantime what was put there from here: his is the newer one.
    in_place = std::exchange(out, std::move(next));
  }
  return Rescue(fs, placement.stage, name, cause == 0 ? EBUSY : cause);
}

std::optional<ChangeError> PutInPlace(FsOps& fs, const Placement& placement,
                                      const std::function<bool(const FileStat&)>& is_old) {
  const int stage = placement.stage.directory.get();
  const int error =
      fs.Exchange(stage, placement.name, placement.at.directory.get(), placement.at.name);
  if (error != 0) {
    // Still ours: nothing was exchanged.
    (void)UnlinkVerified(fs, placement.stage, placement.name, placement.ours);
    return ErrorOfChange("exchange", error);
  }
  FileStat out;
  const int stat_error = fs.StatAt(stage, placement.name, &out);
  if (stat_error == 0 && is_old(out)) return std::nullopt;
  if (auto failure = TakeBack(fs, placement)) return failure;
  // It was a name of the very file already that takes its place.
  const bool same = stat_error == 0 && IdOf(out) == placement.ours;
  return ChangeError{.skip = same ? SkipReason::kSameFile : SkipReason::kChanged,
                     .operation = "exchange",
                     .error_number = stat_error};
}

}  // namespace sluice
