#include "pipeline/stages/apply/restoration.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"
#include "pipeline/stages/apply/preparation.h"

namespace sluice {
namespace {

bool IsZero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// The change is made, and could not be brought to its end: its intent stays open, so that
// RecoverJournal does that before the job goes on.
void ThrowUnlessEnded(int error) {
  if (error == 0) return;
  throw StatusError(absl::UnavailableError(
      absl::StrCat("cannot end a change: ", std::system_category().message(error))));
}

}  // namespace

Restoration::Verdict Restoration::CheckLink() {
  FileStat stat;
  if (const int error = deps_.fs.StatAt(at_.directory.get(), at_.name, &stat)) {
    return ErrorOfChange("stat", error);
  }
  current_ = IdOf(stat);
  const Verdict changed = Skip(SkipReason::kChanged);
  switch (done_.action) {
    // Devices may have other numbers since a restart of the system. The content is looked at too.
    case Action::kHardlink:
      return current_.inode == done_.kept_inode.inode ? std::nullopt : changed;
    case Action::kReflink:
      return current_.inode == done_.old_inode.inode ? std::nullopt : changed;
    default:
      break;
  }
  std::string target;
  const bool leads_there = stat.type == FileType::kSymlink &&
                           deps_.fs.ReadLink(at_.directory.get(), at_.name, &target) == 0 &&
                           target == done_.symlink_target;
  return leads_there ? std::nullopt : changed;
}

Restoration::Verdict Restoration::PinSource() {
  const bool is_path = done_.action != Action::kSymlink;
  const std::string& path = is_path ? done_.path : done_.kept_path;
  if (auto error = PinFile(deps_.fs, deps_.roots, path, &source_)) {
    return is_path ? error : Verdict(Skip(SkipReason::kSourceUnavailable));
  }
  if (is_path && source_.id() != current_) return Skip(SkipReason::kChanged);
  const Unleased unleased = options_.allow_unleased ? Unleased::kAllow : Unleased::kRefuse;
  if (auto error = TakeLease(deps_.fs, source_.fd.get(), unleased, &lease_)) return error;
  if (const int error = deps_.fs.Stat(source_.fd.get(), &source_.stat)) {
    return ErrorOfChange("stat", error);
  }
  if (source_.stat.size != done_.size) return Skip(SkipReason::kContentDiffers);
  metadata_ = done_.metadata;
  if (done_.action != Action::kReflink) return std::nullopt;
  // Its inode has been its own all the time.
  const int error = ReadMetadata(deps_.fs, source_.fd.get(), &metadata_);
  return error == 0 ? std::nullopt : Verdict(ErrorOfChange("read metadata", error));
}

Restoration::Verdict Restoration::Begin() {
  intent_ = {.position = done_.position,
             .plan = done_.plan,
             .path = done_.path,
             .kept_path = done_.kept_path,
             .action = done_.action,
             .undo = true,
             .digest = done_.digest,
             .old_inode = current_,
             .kept_inode = source_.id(),
             .size = done_.size,
             .metadata = {},
             .stage_directory = done_.stage_directory,
             .stage_name = done_.stage_name,
             .symlink_target = done_.symlink_target};
  if (done_.action != Action::kRemove) {
    if (auto error = stages_.For(at_, &stage_)) return error;
    intent_.stage_directory = stage_->path;
    intent_.stage_name =
        absl::StrCat(deps_.job_id, "-", done_.position.plan_sequence, "-", done_.position.copy);
  }
  ThrowIfError(journal_->Append(intent_));
  ThrowIfError(journal_->Sync());
  begun_ = true;
  return std::nullopt;
}

Task<Restoration::Verdict> Restoration::WriteCopy(int copy) {
  // A clone would share storage, which is what is undone.
  const bool cloned =
      done_.action != Action::kReflink && deps_.fs.Clone(source_.fd.get(), copy) == 0;
  if (!cloned) {
    if (const int error = deps_.fs.Truncate(copy, source_.stat.size)) {
      co_return ErrorOfChange("truncate", error);
    }
  }
  SliceSink sink;
  if (!cloned) {
    sink = [this, copy](std::uint64_t offset, std::span<const std::uint8_t> bytes) {
      return IsZero(bytes) ? 0 : deps_.fs.Write(copy, offset, bytes);
    };
  }
  const CheckedContent checked = co_await CheckDigest(
      source_, lease_, done_.digest, std::move(sink),
      {.fs = deps_.fs, .executor = deps_.scope.executor(), .stop = deps_.scope.stop_token()});
  deps_.counters.apply.Add(0, source_.stat.size);
  if (auto verdict = VerdictOf(checked)) co_return verdict;
  if (const int error = RestoreMetadata(deps_.fs, copy, metadata_)) {
    co_return ChangeError{.operation = "restore metadata", .error_number = error};
  }
  const int error = deps_.fs.Sync(copy);
  co_return error == 0 ? std::nullopt
                       : Verdict(ChangeError{.operation = "sync", .error_number = error});
}

Restoration::Verdict Restoration::PlaceCopy(int copy) {
  FileStat made;
  if (const int error = deps_.fs.Stat(copy, &made)) return ErrorOfChange("stat", error);
  const Placement placement = {
      .at = at_, .stage = *stage_, .name = intent_.stage_name, .ours = IdOf(made)};
  const auto is_current = [this](const FileStat& out) {
    return IdOf(out) == current_ && lease_.holds();
  };
  if (auto error = PutInPlace(deps_.fs, placement, is_current)) return error;
  int error = deps_.fs.Sync(at_.directory.get());
  if (error == 0) {
    error = UnlinkVerified(deps_.fs, *stage_, intent_.stage_name, current_);
    if (error == 0) error = deps_.fs.Sync(stage_->directory.get());
  }
  ThrowUnlessEnded(error);
  return std::nullopt;
}

Task<Restoration::Verdict> Restoration::PutCopy() {
  if (auto made = MakeStage(deps_.fs, *stage_)) co_return made;
  const std::string& name = intent_.stage_name;
  UniqueFd copy;
  const int error =
      deps_.fs.OpenBeneath(stage_->directory.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600, &copy);
  if (error != 0) co_return ChangeError{.operation = "create", .error_number = error};
  std::exception_ptr cancelled;
  Verdict verdict;
  try {
    verdict = co_await WriteCopy(copy.get());
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (!verdict && !cancelled) co_return PlaceCopy(copy.get());
  (void)deps_.fs.Unlink(stage_->directory.get(), name);
  if (cancelled) std::rethrow_exception(cancelled);
  co_return verdict;
}

Restoration::Verdict Restoration::MoveBack() {
  StageDirectory kept;
  int error = OpenStage(deps_.fs, deps_.roots, done_.stage_directory, &kept);
  if (error != 0) return ErrorOfChange("open private directory", error);
  FileStat stat;
  error = deps_.fs.StatAt(kept.directory.get(), done_.stage_name, &stat);
  if (error != 0) return ErrorOfChange("stat", error);
  // By its number alone, as in CheckLink: in this directory nobody else gives names.
  if (stat.inode != done_.old_inode.inode) return Skip(SkipReason::kChanged);
  current_ = IdOf(stat);
  if (deps_.fs.StatAt(at_.directory.get(), at_.name, &stat) == 0) {
    return Skip(SkipReason::kPathTaken);
  }
  if (journal_ == nullptr) return std::nullopt;
  if (auto verdict = Begin()) return verdict;
  error =
      deps_.fs.MoveNoReplace(kept.directory.get(), done_.stage_name, at_.directory.get(), at_.name);
  if (error == EEXIST) return Skip(SkipReason::kPathTaken);
  if (error != 0) return ErrorOfChange("move", error);
  error = deps_.fs.Sync(at_.directory.get());
  if (error == 0) error = deps_.fs.Sync(kept.directory.get());
  ThrowUnlessEnded(error);
  return std::nullopt;
}

Task<Restoration::Verdict> Restoration::Restore() {
  if (auto error = PinName(deps_.fs, deps_.roots, done_.path, &at_)) co_return error;
  if (done_.action == Action::kRemove) co_return MoveBack();
  if (auto verdict = CheckLink()) co_return verdict;
  if (auto verdict = PinSource()) co_return verdict;
  if (journal_ == nullptr) {
    const CheckedContent checked = co_await CheckDigest(
        source_, lease_, done_.digest, nullptr,
        {.fs = deps_.fs, .executor = deps_.scope.executor(), .stop = deps_.scope.stop_token()});
    co_return VerdictOf(checked);
  }
  if (auto verdict = Begin()) co_return verdict;
  co_return co_await PutCopy();
}

Task<ApplyOutcome> Restoration::Run() {
  deps_.counters.apply.Add(1, 0);
  ApplyOutcome outcome = {.plan = done_.plan,
                          .path = done_.path,
                          .action = done_.action,
                          .undo = true,
                          .result = journal_ == nullptr ? ApplyOutcome::Result::kWouldApply
                                                        : ApplyOutcome::Result::kApplied,
                          .kept_path = done_.kept_path};
  const Verdict verdict = co_await Restore();
  if (verdict) SetError(*verdict, outcome);
  lease_.Release();
  const bool left = verdict && stage_ && begun_ && IsStaged(deps_.fs, *stage_, intent_.stage_name);
  if (begun_ && !left) {
    ThrowIfError(journal_->Append(ChangeDone{.position = done_.position, .outcome = outcome}));
  }
  co_return outcome;
}

}  // namespace sluice
