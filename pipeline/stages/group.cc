#include "pipeline/stages/group.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "pipeline/fs/file.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/plan.h"
#include "pipeline/stages/reconcile_context.h"

namespace sluice {

void SpoolCodec<PlanCopy>::Encode(const PlanCopy& copy, std::string* out) {
  SpoolCodec<FileEntry>::Encode(copy.file, out);
  AppendValue(copy.scan_index, out);
  AppendValue(copy.is_protected, out);
  AppendValue(copy.shares_storage_with.has_value(), out);
  if (copy.shares_storage_with) AppendBytes(*copy.shares_storage_with, out);
}

PlanCopy SpoolCodec<PlanCopy>::Decode(std::string_view* in) {
  PlanCopy copy;
  copy.file = SpoolCodec<FileEntry>::Decode(in);
  copy.scan_index = TakeValue<std::uint32_t>(in);
  copy.is_protected = TakeValue<bool>(in);
  if (TakeValue<bool>(in)) copy.shares_storage_with = TakeBytes(in);
  return copy;
}

std::size_t SpoolCodec<PlanCopy>::SizeInMemory(const PlanCopy& copy) {
  return sizeof copy + copy.file.path.capacity() +
         (copy.shares_storage_with ? copy.shares_storage_with->capacity() : 0);
}

bool ByInode::operator()(const PlanCopy& a, const PlanCopy& b) const {
  return std::tie(a.file.stat.device, a.file.stat.inode, a.file.path, a.scan_index) <
         std::tie(b.file.stat.device, b.file.stat.inode, b.file.path, b.scan_index);
}

void InodeNames::Add(const PlanCopy& copy) {
  stat = copy.file.stat;
  ++count;
  any_protected = any_protected || copy.is_protected;
}

Group::Group(ReconcileContextPtr context, const Digest& digest)
    : context_(std::move(context)),
      digest_(digest),
      copies_(context_->spool()),
      choice_(context_->rules) {}

void Group::Add(CandidateFile name) {
  const GlobSet& protect = context_->options.protect;
  PlanCopy copy{.file = std::move(name.file), .scan_index = name.scan_index};
  if (context_->options.within_scan) within_scan_ = copy.scan_index;
  copy.file.digest = digest_;
  copy.is_protected =
      !protect.empty() && protect.MatchesWithParents(copy.file.path, GlobSet::Kind::kFile);

  if (!inode_.Holds(copy)) EndInode();
  inode_.Add(copy);
  if (choice_.Consider(copy.file, copy.scan_index)) inode_has_source_ = true;
  copies_.Add(std::move(copy));
}

void Group::Finish() {
  EndInode();
  copies_.Finish();
}

Task<> Group::Finish(Executor& executor) {
  EndInode();
  co_await copies_.Finish(executor);
}

void Group::EndInode() {
  if (inode_.count == 0) return;
  const std::uint64_t device = inode_.stat.device;
  const std::uint64_t recoverable = inode_.RecoverableBytes();
  tally_.AddInode(device);
  if (by_device_.empty() || by_device_.back().device != device) {
    by_device_.push_back({.device = device});
  }
  by_device_.back().recoverable += recoverable;
  if (inode_has_source_) source_recoverable_ = recoverable;
  inode_ = {};
  inode_has_source_ = false;
}

// Links and shared storage end at the edge of a file system.
bool Group::CrossesDevices() const {
  switch (context_->options.action) {
    case Action::kHardlink:
    case Action::kReflink:
      break;
    case Action::kSymlink:
    case Action::kRemove:
      return true;
  }
  return false;
}

std::uint64_t Group::RecoverableBytes(const InodeNames& inode) const {
  const FileStat& source = choice_.source().stat;
  if (inode.stat.device != source.device && !CrossesDevices()) return 0;
  if (inode.stat.device == source.device && inode.stat.inode == source.inode) return 0;
  return inode.RecoverableBytes();
}

std::uint64_t Group::total_recoverable_bytes() const {
  std::uint64_t total = 0;
  for (const DeviceBytes& bytes : by_device_) {
    if (bytes.device == choice_.source().stat.device || CrossesDevices()) {
      total += bytes.recoverable;
    }
  }
  return total - source_recoverable_;
}

Plan Group::Header() const {
  const KeepRule& rule = choice_.deciding_rule();
  Plan plan;
  plan.digest = digest_;
  plan.within_scan = within_scan_;
  plan.size = choice_.source().stat.size;
  plan.source_of_truth = choice_.source();
  plan.deciding_criterion = rule.criterion;
  plan.deciding_pattern = rule.pattern;
  plan.reason = choice_.Reason();
  plan.action = context_->options.action;
  plan.total_copies = copies_.size();
  plan.total_recoverable_bytes = total_recoverable_bytes();
  return plan;
}

PlanParts::PlanParts(std::unique_ptr<Group> group)
    : group_(std::move(group)), cursor_(group_->Read()), next_(cursor_.Next()) {}

std::optional<Plan> PlanParts::Next() {
  if (next_ == nullptr) return std::nullopt;
  Plan plan = group_->Header();
  plan.part = ++part_;
  path_bytes_ = 0;
  do {
    AppendNextCopy(plan);
  } while (next_ != nullptr && plan.copies.size() < kMaxCopiesPerPart &&
           path_bytes_ + PathBytesOfNext() <= kMaxPathBytesPerPart);
  plan.last_part = next_ == nullptr;
  return plan;
}

// Paths that the next copy would bring along.
std::size_t PlanParts::PathBytesOfNext() const {
  return next_->file.path.size() + (inode_.Holds(*next_) ? first_path_.size() : 0);
}

void PlanParts::AppendNextCopy(Plan& plan) {
  path_bytes_ += PathBytesOfNext();
  PlanCopy copy = *next_;
  if (inode_.Holds(copy)) {
    copy.shares_storage_with = first_path_;
  } else {
    inode_ = {};
    first_path_ = copy.file.path;
  }
  inode_.Add(copy);
  plan.copies.push_back(std::move(copy));

  next_ = cursor_.Next();
  const bool was_its_last = next_ == nullptr || !inode_.Holds(*next_);
  if (was_its_last) plan.recoverable_bytes += group_->RecoverableBytes(inode_);
}

}  // namespace sluice
