#include "pipeline/stages/size_class.h"

#include <array>
#include <cassert>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/candidate_pages.h"
#include "pipeline/stages/fairness.h"
#include "pipeline/stages/inode.h"
#include "pipeline/stages/reconcile_context.h"

namespace sluice {

namespace {

// Few enough for one thread to decide: in number, and in bytes unless they are very few.
bool IsSmall(const SizeClass& files) {
  if (files.size >= kHugeFileBytes || files.name_bytes > kSmallClassNameBytes) return false;
  return files.inodes <= kFewInodes ||
         (files.inodes <= kSmallClassInodes && files.bytes() <= kSmallClassBytes);
}

std::size_t SizeInMemory(const CandidateFile& name) {
  return sizeof name + name.file.path.capacity();
}

}  // namespace

std::span<const ContentPart> SizeClass::stages() const {
  static constexpr std::array kAll = {ContentPart::kPrefix, ContentPart::kSuffix,
                                      ContentPart::kWhole};
  static constexpr std::array kPrefixFirst = {ContentPart::kPrefix, ContentPart::kWhole};
  static constexpr std::array kAtOnce = {ContentPart::kWhole};
  const bool tiny = size == 0 || (!small() && size <= kDigestAtOnceBytes);
  if (all_known || tiny) return kAtOnce;
  if (size > kContentSuffixFromBytes) return kAll;
  if (some_known_without_prefix) return kAtOnce;
  return kPrefixFirst;
}

SizeClassReader::SizeClassReader(ReconcileContextPtr context)
    : context_(std::move(context)),
      pages_(*context_->deps.candidates),
      position_(context_->options.start_position) {}

Task<const SizeClass*> SizeClassReader::Peek() {
  while (!next_ && pages_.At(position_) != nullptr) next_ = co_await ReadClass();
  co_return next_ ? &*next_ : nullptr;
}

SizeClass SizeClassReader::Take() {
  assert(next_);
  return *std::exchange(next_, std::nullopt);
}

Task<std::optional<SizeClass>> SizeClassReader::ReadClass() {
  CandidateFile* name = pages_.At(position_);
  const std::uint64_t id = name->size_class;
  SizeClass result{.first = position_, .end = position_, .size = name->file.stat.size, .names = {}};
  result.names.reserve(kFewInodes);
  CopyTally tally;
  const DigestAlgorithm algorithm = context_->options.digest_algorithm;
  std::optional<Knowledge> inode;
  const auto end_inode = [&result, &inode] {
    const bool known = inode->key().of(ContentPart::kWhole).has_value();
    const bool has_prefix = inode->key().of(ContentPart::kPrefix).has_value();
    result.all_known = result.all_known && known;
    result.some_known_without_prefix |= known && !has_prefix;
  };
  for (; name != nullptr && name->size_class == id; name = pages_.At(++position_)) {
    if (!inode || !inode->Add(*name, algorithm)) {
      tally.AddInode(name->file.stat.device);
      ++result.inodes;
      if (inode) end_inode();
      inode.emplace(*name, algorithm);
    }
    ++result.end;
    result.name_bytes += SizeInMemory(*name);
    if (IsSmall(result)) {
      result.names.push_back(std::move(*name));
    } else {
      result.names.clear();
    }
    if (position_ % kYieldItems != 0) continue;
    ThrowIfStopRequested(context_->deps.scope.stop_token());
    co_await context_->deps.scope.executor().YieldIfBusy();
  }
  end_inode();
  if (tally.Suffices(context_->options)) co_return result;
  context_->deps.counters.LowerItemsTotal(result.name_count());
  co_return std::nullopt;
}

}  // namespace sluice
