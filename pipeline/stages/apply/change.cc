#include "pipeline/stages/apply/change.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace sluice {
namespace {

// The kernel does no more than this in one call.
constexpr std::uint64_t kDedupeBytes = 16ULL * 1024 * 1024;

std::optional<ChangeError> LeaseError(const PreparedChange& change) {
  if (!change.lease.holds()) return Skip(SkipReason::kBusy, "lease");
  if (!change.kept->lease.holds()) return Skip(SkipReason::kSourceUnavailable, "lease");
  return std::nullopt;
}

// The kept file still has its name. Leases do not tell: for another job, whose source is our copy,
// it may be a copy, and each would take away what the other keeps. Each looks after its own change,
// so that of any number of such jobs one at least sees it. A hard link needs no look: it keeps the
// inode, whatever becomes of its other name.
bool KeepsItsName(FsOps& fs, const PreparedChange& change) {
  if (change.intent.action == Action::kHardlink) return true;
  const PinnedFile& kept = change.kept->file;
  FileStat now;
  return fs.StatAt(kept.at.directory.get(), kept.at.name, &now) == 0 && IdOf(now) == kept.id();
}

// Why what came out has to go back. nullopt: it is what was compared, the inode, nobody could write
// to it since, and what it was compared with is where it was.
std::optional<ChangeError> ReasonToGoBack(FsOps& fs, const FileStat& out,
                                          const PreparedChange& change) {
  const FileStat& old = change.old.stat;
  if (auto error = LeaseError(change)) return error;
  if (IdOf(out) != IdOf(old) || out.size != old.size || out.modify_time_ns != old.modify_time_ns) {
    return Skip(SkipReason::kChanged, "exchange");
  }
  if (!KeepsItsName(fs, change)) return Skip(SkipReason::kSourceUnavailable, "exchange");
  return std::nullopt;
}

std::optional<ChangeError> Place(FsOps& fs, PreparedChange& change, InodeId ours) {
  const Placement placement = {
      .at = change.old.at, .stage = *change.stage, .name = change.intent.stage_name, .ours = ours};
  std::optional<ChangeError> reason;
  auto error = PutInPlace(fs, placement, [&](const FileStat& out) {
    reason = ReasonToGoBack(fs, out, change);
    return !reason;
  });
  if (error && error->skip == SkipReason::kChanged && reason) return reason;
  return error;
}

std::optional<ChangeError> Hardlink(FsOps& fs, PreparedChange& change) {
  const int error = fs.LinkFile(change.kept->file.fd.get(), change.stage->directory.get(),
                                change.intent.stage_name);
  if (error == ENOENT) return Skip(SkipReason::kSourceUnavailable, "link");
  if (error != 0) return ErrorOfChange("link", error);
  return Place(fs, change, change.intent.kept_inode);
}

std::optional<ChangeError> Symlink(FsOps& fs, PreparedChange& change) {
  const int stage = change.stage->directory.get();
  const std::string& name = change.intent.stage_name;
  if (const int error = fs.MakeSymlink(change.intent.symlink_target, stage, name)) {
    return ErrorOfChange("symlink", error);
  }
  UniqueFd link;
  FileStat made;
  int error = fs.OpenBeneath(stage, name, O_PATH | O_NOFOLLOW, 0, &link);
  if (error == 0) error = fs.Stat(link.get(), &made);
  if (error != 0) {
    (void)fs.Unlink(stage, name);
    return ErrorOfChange("open", error);
  }
  return Place(fs, change, IdOf(made));
}

std::optional<ChangeError> Remove(FsOps& fs, PreparedChange& change) {
  const int stage = change.stage->directory.get();
  const std::string& name = change.intent.stage_name;
  const PinnedName& at = change.old.at;
  if (const int error = fs.MoveNoReplace(at.directory.get(), at.name, stage, name)) {
    return ErrorOfChange("move", error);
  }
  FileStat out;
  std::optional<ChangeError> reason = Skip(SkipReason::kChanged, "move");
  if (fs.StatAt(stage, name, &out) == 0) reason = ReasonToGoBack(fs, out, change);
  if (!reason) return std::nullopt;
  if (const int back = fs.MoveNoReplace(stage, name, at.directory.get(), at.name)) {
    return Rescue(fs, *change.stage, name, back);
  }
  return reason;
}

std::optional<ChangeError> Reflink(FsOps& fs, PreparedChange& change) {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  const int old = change.old.fd.get();
  if (const int error = fs.ExclusiveBytes(old, &before)) return ErrorOfChange("map", error);
  for (std::uint64_t offset = 0; offset < change.intent.size;) {
    std::uint64_t deduped = 0;
    bool same = true;
    const std::uint64_t length = std::min(kDedupeBytes, change.intent.size - offset);
    const int error = fs.Dedupe(change.kept->file.fd.get(), old, offset, length, &deduped, &same);
    if (error != 0) return ErrorOfChange("dedupe", error);
    if (!same || deduped == 0) return Skip(SkipReason::kContentDiffers, "dedupe");
    offset += deduped;
  }
  if (const int error = fs.ExclusiveBytes(old, &after)) return ErrorOfChange("map", error);
  change.outcome.recovered_bytes = before - std::min(before, after);
  return std::nullopt;
}

}  // namespace

std::optional<ChangeError> CarryOut(FsOps& fs, PreparedChange& change) {
  if (auto error = LeaseError(change)) return error;
  if (change.stage) {
    if (auto error = MakeStage(fs, *change.stage)) return error;
  }
  switch (change.intent.action) {
    case Action::kHardlink:
      return Hardlink(fs, change);
    case Action::kSymlink:
      return Symlink(fs, change);
    case Action::kRemove:
      return Remove(fs, change);
    case Action::kReflink:
      return Reflink(fs, change);
  }
  return Skip(SkipReason::kUnsupported, "change");
}

}  // namespace sluice
