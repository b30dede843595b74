// Giving up what an undo would have needed.
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "pipeline/fs/path_text.h"
#include "pipeline/stages/apply/apply.h"
#include "pipeline/stages/apply/journal_changes.h"
#include "pipeline/stages/apply/stage_directory.h"

namespace sluice {
namespace {

// Deletes the files that were removed, and tells those that are not there any more from those that
// are not there now: of the latter the file system is not mounted. Then the nearest directory lies
// on another device, as it also does where the device has got another number since (at a restart of
// the system); then the name, which no other job gives, and the inode's number tell.
class KeptFiles final {
 public:
  KeptFiles(FsOps& fs, const AllowedRoots& roots) : fs_(fs), roots_(roots) {}

  void Delete(const ChangeIntent& intent) {
    Open(intent.stage_directory);
    int error = open_error_;
    FileStat stat;
    if (error == 0) error = fs_.StatAt(stage_.directory.get(), intent.stage_name, &stat);
    if (error == 0) {
      if (stat.inode != intent.old_inode.inode) return;  // Not what was put there.
      error = fs_.Unlink(stage_.directory.get(), intent.stage_name);
    }
    if (error == 0) return;
    const bool is_missing = error == ENOENT || error == ENOTDIR;
    if (is_missing && (device_ == intent.old_inode.device || IsBack(intent))) return;
    Fail(is_missing ? "its file system is not mounted" : std::system_category().message(error));
  }

  // UNAVAILABLE where a file may still be kept. Of several, the first.
  const absl::Status& status() const { return status_; }

 private:
  void Open(const std::string& path) {
    if (path == path_) return;
    path_ = path;
    stage_ = {};
    device_.reset();
    open_error_ = OpenStage(fs_, roots_, path, &stage_);
    FileStat stat;
    if (stage_.parent.valid() && fs_.Stat(stage_.parent.get(), &stat) == 0) device_ = stat.device;
  }

  // An undo has moved it back.
  bool IsBack(const ChangeIntent& intent) {
    PinnedName at;
    FileStat stat;
    return !PinName(fs_, roots_, intent.path, &at) &&
           fs_.StatAt(at.directory.get(), at.name, &stat) == 0 &&
           stat.inode == intent.old_inode.inode;
  }

  void Fail(const std::string& why) {
    if (!status_.ok()) return;
    status_ = absl::UnavailableError(absl::StrCat(
        "removed files that are kept in ", PrintablePath(path_), " cannot be deleted: ", why));
  }

  FsOps& fs_;
  const AllowedRoots& roots_;
  std::string path_;
  StageDirectory stage_;
  int open_error_ = ENOENT;
  std::optional<std::uint64_t> device_;  // Of the directory that holds the stage directory.
  absl::Status status_;
};

}  // namespace

absl::Status DiscardKept(FsOps& fs, const AllowedRoots& roots, const std::string& journal_path) {
  KeptFiles kept(fs, roots);
  JournalChanges changes;
  const absl::Status read = ReadChanges(
      journal_path,
      [&](const ChangeIntent& intent, const ApplyOutcome& outcome) {
        const bool is_made = outcome.result == ApplyOutcome::Result::kApplied;
        if (intent.keeps_old && is_made) kept.Delete(intent);
      },
      &changes);
  for (const std::string& path : changes.stages) RemoveStageIfEmpty(fs, roots, path);
  return kept.status().ok() ? read : kept.status();
}

}  // namespace sluice
