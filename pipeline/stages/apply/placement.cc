#include "pipeline/stages/apply/placement.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// Each but the first means that somebody has replaced the path once more in between.
constexpr int kMaxTries = 16;

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
  std::optional<InodeId> superseded;  // What was given its place back, and lost it again to others.
  int cause = EBUSY;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    FileStat out;
    if (const int error = fs.StatAt(stage, placement.name, &out)) {
      return ErrorOfChange("stat", error);
    }
    if (IdOf(out) == placement.ours) {
      const int error = fs.Unlink(stage, placement.name);
      if (error != 0) return ErrorOfChange("unlink", error);
      return std::nullopt;
    }
    // Somebody has replaced ours while the names were being exchanged back: his is the newer one.
    if (superseded == IdOf(out)) break;
    cause = fs.Exchange(stage, placement.name, directory, placement.at.name);
    if (cause == ENOENT) {
      // The path was unlinked meanwhile. Better a file too many than a content too few.
      cause = fs.MoveNoReplace(stage, placement.name, directory, placement.at.name);
      if (cause == 0) return std::nullopt;
      if (cause == EEXIST) continue;
    }
    if (cause != 0) break;
    superseded = IdOf(out);
  }
  return Rescue(fs, placement.stage, placement.name, cause == 0 ? EBUSY : cause);
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
