#include "pipeline/stages/apply/preparation.h"

#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/fs/path_text.h"
#include "pipeline/stages/apply/journal_record.h"
#include "pipeline/stages/apply/live_database.h"

namespace sluice {
namespace {

ChangeError Fail(std::string operation, int error_number) {
  return ErrorOfChange(std::move(operation), error_number);
}

// Links that an inode may have at most, where it is few.
std::uint64_t MaxLinks(std::int64_t file_system_type) {
  constexpr std::int64_t kExt4 = 0xEF53;
  constexpr std::int64_t kBtrfs = 0x9123683E;
  if (file_system_type == kExt4) return 65'000;
  if (file_system_type == kBtrfs) return 65'535;
  return std::numeric_limits<std::uint64_t>::max();
}

bool ChangesNames(Action action) { return action != Action::kReflink; }
bool GivesUpMetadata(Action action) {
  return action == Action::kHardlink || action == Action::kSymlink;
}

bool MayDiffer(MetadataPolicy policy, MetadataField field) {
  switch (policy) {
    case MetadataPolicy::kRequireEqual:
      return false;
    case MetadataPolicy::kIgnoreTimes:
      return field == MetadataField::kModifyTime;
    case MetadataPolicy::kTakeSource:
      return true;
  }
  return false;
}

Unleased UnleasedOf(const ApplyOptions& options) {
  return options.allow_unleased ? Unleased::kAllow : Unleased::kRefuse;
}

}  // namespace

void SetError(const ChangeError& error, ApplyOutcome& outcome) {
  outcome.recovered_bytes = 0;
  outcome.pending_bytes = 0;
  outcome.skip_reason = error.skip;
  if (error.skip) {
    outcome.result = ApplyOutcome::Result::kSkipped;
    if (error.skip != SkipReason::kMetadataDiffers) outcome.metadata_changes.clear();
    return;
  }
  outcome.result = ApplyOutcome::Result::kFailed;
  outcome.metadata_changes.clear();
  outcome.failure = MakeItemError(outcome.path, error.operation, error.error_number);
}

std::string RelativeTarget(std::string_view from, std::string_view to) {
  const auto from_parts = PathComponents(from);
  const auto to_parts = PathComponents(to);
  const std::size_t depth = from_parts.size() - 1;  // Of the directory that holds the link.
  std::size_t common = 0;
  while (common < depth && common + 1 < to_parts.size() && from_parts[common] == to_parts[common]) {
    ++common;
  }
  std::string target;
  for (std::size_t i = common; i < depth; ++i) target += "../";
  for (std::size_t i = common; i < to_parts.size(); ++i) {
    if (i > common) target += '/';
    target += to_parts[i];
  }
  return target;
}

Action Preparation::action() const { return options_.action.value_or(plan_->plan.action); }

ContentCheckDeps Preparation::check_deps() const {
  return {.fs = deps_.fs, .executor = deps_.scope.executor(), .stop = deps_.scope.stop_token()};
}

void Preparation::Begin(const StoredPlan& plan) {
  plan_ = &plan;
  kept_ = nullptr;
  if (plan.name == group_) return;  // Another part: the source may be another one by now.
  group_ = plan.name;
  source_ = plan.plan.source_of_truth;
  planned_links_ = 0;
}

void Preparation::OnChanged(InodeId old_inode) {
  if (names_.id == old_inode) names_.touched = true;
}

void Preparation::OnChangedEarlier(InodeId old_inode) {
  if (names_.id != old_inode) names_ = {.id = old_inode, .links = 0, .changed = 0};
  ++names_.changed;
  names_.touched = true;
}

Preparation::Verdict Preparation::CheckKept(const FileEntry& recorded, KeptFile& kept) {
  const FileStat& now = kept.file.stat;
  // Links and ctime change with every copy that becomes a name of it; bytes are compared each time.
  const bool same = kept.file.id() == IdOf(recorded.stat) && now.size == recorded.stat.size &&
                    now.modify_time_ns == recorded.stat.modify_time_ns;
  if (!same || TakeLease(deps_.fs, kept.file.fd.get(), UnleasedOf(options_), &kept.lease) ||
      deps_.fs.MountId(kept.file.fd.get(), &kept.mount) != 0 ||
      ReadMetadata(deps_.fs, kept.file.fd.get(), &kept.metadata) != 0) {
    return Skip(SkipReason::kSourceUnavailable);
  }
  kept.links = now.link_count + planned_links_;
  if (options_.mode == ApplyOptions::Mode::kDryRun) return std::nullopt;
  // What is dropped for its sake must not be all that a power cut leaves.
  int error = deps_.fs.Sync(kept.file.fd.get());
  if (error == 0) error = deps_.fs.Sync(kept.file.at.directory.get());
  if (error != 0) return ChangeError{.operation = "sync source", .error_number = error};
  return std::nullopt;
}

Task<Preparation::Verdict> Preparation::PinKept() {
  if (kept_ != nullptr) co_return std::nullopt;
  auto kept = std::make_shared<KeptFile>();
  if (PinFile(deps_.fs, deps_.roots, source_->path, &kept->file)) {
    co_return Skip(SkipReason::kSourceUnavailable);
  }
  if (auto verdict = CheckKept(*source_, *kept)) co_return verdict;
  if (options_.verify == ApplyOptions::Verify::kDigest) {
    const CheckedContent checked =
        co_await CheckDigest(kept->file, kept->lease, plan_->plan.digest, nullptr, check_deps());
    if (checked.result != ContentCheck::kSame) co_return Skip(SkipReason::kSourceUnavailable);
  }
  kept_ = std::move(kept);
  co_return std::nullopt;
}

Preparation::Verdict Preparation::CheckVersion(const FileStat& recorded,
                                               const FileStat& now) const {
  FileStat expected = recorded;
  // Another name of this inode was changed by us, which moved its ctime.
  if (names_.touched && names_.id == IdOf(now)) expected.change_time_ns = now.change_time_ns;
  if (SameVersion(expected, now)) return std::nullopt;
  return Skip(SkipReason::kChanged);
}

Preparation::Verdict Preparation::CheckPlace(const PinnedFile& old) {
  if (old.id() == kept_->file.id()) return Skip(SkipReason::kSameFile);
  const bool needs_one = action() == Action::kHardlink || action() == Action::kReflink;
  if (needs_one && old.stat.device != kept_->file.stat.device) {
    return Skip(SkipReason::kOtherFileSystem);
  }
  std::uint64_t mount = 0;
  if (const int error = deps_.fs.MountId(old.fd.get(), &mount)) return Fail("stat", error);
  if (action() == Action::kHardlink && mount != kept_->mount) {
    return Skip(SkipReason::kOtherFileSystem);
  }
  FsOps::FileSystem file_system;
  if (const int error = deps_.fs.StatFileSystem(old.fd.get(), &file_system)) {
    return Fail("stat file system", error);
  }
  if (file_system.read_only) return Skip(SkipReason::kReadOnly);
  if (!ChangesNames(action())) return std::nullopt;
  const int error = deps_.fs.CheckWritable(old.at.directory.get());
  return error == 0 ? std::nullopt : Verdict(Fail("access", error));
}

Preparation::Verdict Preparation::CheckFlags(const PinnedFile& old) {
  for (const int fd : {old.fd.get(), old.at.directory.get(), kept_->file.fd.get()}) {
    std::uint32_t flags = 0;
    if (const int error = deps_.fs.GetFlags(fd, &flags)) return Fail("get flags", error);
    if ((flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0) return Skip(SkipReason::kImmutable);
  }
  return std::nullopt;
}

Preparation::Verdict Preparation::CheckMetadata(const PinnedFile& old, PreparedChange& change) {
  FileMetadata& metadata = change.intent.metadata;
  if (const int error = ReadMetadata(deps_.fs, old.fd.get(), &metadata)) {
    return Fail("read metadata", error);
  }
  if (action() == Action::kReflink) return std::nullopt;  // The inode stays.
  if (IsPrivileged(metadata) || IsPrivileged(kept_->metadata)) {
    return Skip(SkipReason::kPrivileged);
  }
  if (!GivesUpMetadata(action())) return std::nullopt;
  if (metadata.uid != kept_->metadata.uid) return Skip(SkipReason::kOwnerDiffers);
  change.outcome.metadata_changes = DifferingFields(metadata, kept_->metadata);
  const bool acceptable =
      std::ranges::all_of(change.outcome.metadata_changes,
                          [&](MetadataField field) { return MayDiffer(options_.metadata, field); });
  return acceptable ? std::nullopt : Verdict(Skip(SkipReason::kMetadataDiffers));
}

Preparation::Verdict Preparation::CheckReflink(const PinnedFile& old) {
  if (action() != Action::kReflink) return std::nullopt;
  // Of no bytes: asks whether the file system could.
  std::uint64_t deduped = 0;
  bool same = true;
  const int error = deps_.fs.Dedupe(kept_->file.fd.get(), old.fd.get(), 0, 0, &deduped, &same);
  return error == 0 ? std::nullopt : Verdict(Fail("dedupe", error));
}

Preparation::Verdict Preparation::CheckSymlink(const PlanCopy& copy, PreparedChange& change) const {
  if (action() != Action::kSymlink) return std::nullopt;
  // More paths than names: the directory is mounted at another place, too, and from there a
  // relative target need not lead to the source.
  const auto paths =
      std::ranges::count(plan_->plan.copies, IdOf(copy.file.stat),
                         [](const PlanCopy& other) { return IdOf(other.file.stat); });
  if (paths > copy.file.stat.link_count) return Skip(SkipReason::kOtherFileSystem);
  const auto from = deps_.roots.Locate(change.intent.path);
  const auto to = deps_.roots.Locate(source_->path);
  if (!from || !to || from->directory != to->directory) return Skip(SkipReason::kNotAllowed);
  change.intent.symlink_target = RelativeTarget(from->below, to->below);
  const bool fits = change.intent.symlink_target.size() < PATH_MAX;
  return fits ? std::nullopt : Verdict(Skip(SkipReason::kUnsupported));
}

Preparation::Verdict Preparation::LookAt(const PlanCopy& copy, PreparedChange& change) {
  PinnedFile& old = change.old;
  FsOps& fs = deps_.fs;
  if (auto error = PinFile(fs, deps_.roots, copy.file.path, &old)) return error;
  if (auto verdict = CheckVersion(copy.file.stat, old.stat)) {
    // A name of the kept file by now, by whatever hand.
    return old.id() == kept_->file.id() ? Skip(SkipReason::kSameFile) : verdict;
  }
  if (auto verdict = CheckPlace(old)) return verdict;
  if (auto verdict = CheckFlags(old)) return verdict;
  if (auto verdict = CheckMetadata(old, change)) return verdict;
  if (ChangesNames(action()) && (IsLiveDatabase(fs, old) || IsLiveDatabase(fs, kept_->file))) {
    return Skip(SkipReason::kLiveDatabase);
  }
  if (auto verdict = CheckSymlink(copy, change)) return verdict;
  if (!FitsJournal(change.intent)) return Skip(SkipReason::kUnsupported, "journal");
  if (auto error = TakeLease(fs, old.fd.get(), UnleasedOf(options_), &change.lease)) return error;
  // From here on nobody can write to it unnoticed: this is the version that counts.
  if (const int error = fs.Stat(old.fd.get(), &old.stat)) return Fail("stat", error);
  if (auto verdict = CheckVersion(copy.file.stat, old.stat)) return verdict;
  return CheckReflink(old);
}

Task<Preparation::Verdict> Preparation::CheckContent(PreparedChange& change) {
  CheckedContent checked;
  if (options_.verify == ApplyOptions::Verify::kDigest) {
    checked =
        co_await CheckDigest(change.old, change.lease, plan_->plan.digest, nullptr, check_deps());
  } else {
    checked =
        co_await CompareFiles(change.old, change.lease, kept_->file, kept_->lease, check_deps());
  }
  deps_.counters.apply.Add(0, change.old.stat.size);
  co_return VerdictOf(checked);
}

// True where the source has no room for one more name: this copy stays, for those that follow.
bool Preparation::BecomesSource(PreparedChange& change) {
  if (action() != Action::kHardlink) return false;
  FsOps::FileSystem file_system;
  if (deps_.fs.StatFileSystem(change.old.fd.get(), &file_system) != 0) return false;
  if (kept_->links < MaxLinks(file_system.type)) return false;
  source_ = FileEntry{.path = change.intent.path, .stat = change.old.stat, .digest = {}};
  planned_links_ = 0;
  kept_ = nullptr;
  return true;
}

Preparation::Verdict Preparation::FindStage(PreparedChange& change) {
  if (!ChangesNames(action()) || options_.mode == ApplyOptions::Mode::kDryRun) return std::nullopt;
  if (auto error = stages_.For(change.old.at, &change.stage)) return error;
  change.intent.stage_directory = change.stage->path;
  change.intent.stage_name = absl::StrCat(deps_.job_id, "-", change.intent.position.plan_sequence,
                                          "-", change.intent.position.copy);
  return std::nullopt;
}

void Preparation::Account(PreparedChange& change) {
  const FileStat& stat = change.old.stat;
  change.intent.keeps_old =
      action() == Action::kRemove && options_.removed == ApplyOptions::Removed::kQuarantine;
  if (names_.id != IdOf(stat)) {
    names_ = {.id = IdOf(stat), .links = stat.link_count, .changed = 0};
  } else if (names_.links == 0) {  // Its first names were changed by an earlier run.
    // Those that are kept count.
    names_.links = stat.link_count + (change.intent.keeps_old ? 0 : names_.changed);
  }
  ++names_.changed;
  if (action() == Action::kHardlink) {
    ++kept_->links;
    if (options_.mode == ApplyOptions::Mode::kDryRun) ++planned_links_;
  }
  // The inode goes with its last name.
  std::uint64_t bytes = 0;
  const bool goes = action() == Action::kReflink || names_.changed == names_.links;
  if (goes) (void)deps_.fs.ExclusiveBytes(change.old.fd.get(), &bytes);
  change.intent.freed_bytes = bytes;
  (change.intent.keeps_old ? change.outcome.pending_bytes : change.outcome.recovered_bytes) = bytes;
}

Task<Preparation::Prepared> Preparation::Prepare(ApplyPosition position, const PlanCopy& copy) {
  PreparedChange change;
  ApplyOutcome& outcome = change.outcome;
  outcome = {.plan = plan_->name,
             .path = copy.file.path,
             .action = action(),
             .result = ApplyOutcome::Result::kWouldApply,
             .kept_path = source_->path};
  deps_.counters.apply.Add(1, 0);
  Verdict verdict;
  if (copy.is_protected) verdict = Skip(SkipReason::kProtected);
  if (plan_->other_host) verdict = Skip(SkipReason::kOtherHost);
  if (!deps_.roots.Allows(copy.file.path)) verdict = Skip(SkipReason::kNotAllowed);
  change.intent = {.position = position,
                   .plan = plan_->name,
                   .path = copy.file.path,
                   .kept_path = source_->path,
                   .action = action(),
                   .digest = plan_->plan.digest,
                   .size = plan_->plan.size};
  if (!verdict) verdict = co_await PinKept();
  if (!verdict) verdict = LookAt(copy, change);
  if (verdict) deps_.counters.LowerBytesTotal(plan_->plan.size);
  if (!verdict) verdict = co_await CheckContent(change);
  if (!verdict && BecomesSource(change)) verdict = Skip(SkipReason::kKeptAsSource);
  if (!verdict) verdict = FindStage(change);
  if (verdict) {
    SetError(*verdict, outcome);
    co_return std::move(outcome);
  }
  change.kept = kept_;
  change.intent.old_inode = change.old.id();
  change.intent.kept_inode = kept_->file.id();
  change.intent.size = change.old.stat.size;
  Account(change);
  co_return std::move(change);
}

}  // namespace sluice
