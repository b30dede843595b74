#include "pipeline/stages/inode.h"

#include <cassert>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/candidate_pages.h"
#include "pipeline/stages/reconcile_context.h"

namespace sluice {

namespace {

// Other names lead to the same bytes: they help where the name was at fault, not the content.
bool AnotherNameMayDo(const ItemError& error) {
  switch (error.reason) {
    case ItemError::Reason::kVanished:
    case ItemError::Reason::kChanged:
    case ItemError::Reason::kPermissionDenied:
      return true;
    case ItemError::Reason::kUnstable:
    case ItemError::Reason::kIo:
      break;
  }
  return false;
}

// The parts that a job with this algorithm can use.
ContentKey UsableParts(const CandidateFile& name, DigestAlgorithm algorithm) {
  ContentKey key;
  const auto take = [&key](ContentPart part, const std::optional<Digest>& digest,
                           DigestAlgorithm wanted) {
    if (digest && digest->algorithm == wanted) key.of(part) = digest;
  };
  for (const ContentPart part : {ContentPart::kPrefix, ContentPart::kSuffix}) {
    take(part, name.known.of(part), ContentKey::kStageAlgorithm);
  }
  take(ContentPart::kWhole, name.known.of(ContentPart::kWhole), algorithm);
  take(ContentPart::kWhole, name.file.digest, algorithm);
  return key;
}

// A small file is its own prefix: where both are digested by the same algorithm, one is the other.
void CompleteKey(std::uint64_t size, DigestAlgorithm algorithm, ContentKey& key) {
  if (size > kContentEndBytes || algorithm != ContentKey::kStageAlgorithm) return;
  std::optional<Digest>& prefix = key.of(ContentPart::kPrefix);
  std::optional<Digest>& whole = key.of(ContentPart::kWhole);
  if (!prefix) prefix = whole;
  if (!whole) whole = prefix;
}

}  // namespace

void SpoolCodec<Inode>::Encode(const Inode& inode, std::string* out) {
  SpoolCodec<FileEntry>::Encode(inode.name.file, out);
  AppendValue(inode.name.scan_index, out);
  AppendValue(inode.name.size_class, out);
  AppendValue(inode.position, out);
  AppendValue(inode.names, out);
  AppendValue(inode.version_read, out);
  AppendValue(inode.key, out);
}

Inode SpoolCodec<Inode>::Decode(std::string_view* in) {
  Inode inode;
  inode.name.file = SpoolCodec<FileEntry>::Decode(in);
  inode.name.scan_index = TakeValue<std::uint32_t>(in);
  inode.name.size_class = TakeValue<std::uint64_t>(in);
  inode.position = TakeValue<std::uint64_t>(in);
  inode.names = TakeValue<std::uint64_t>(in);
  inode.version_read = TakeValue<bool>(in);
  inode.key = TakeValue<ContentKey>(in);
  return inode;
}

Knowledge::Knowledge(const CandidateFile& name, DigestAlgorithm algorithm)
    : stat_(name.file.stat), key_(UsableParts(name, algorithm)) {
  CompleteKey(stat_.size, algorithm, key_);
}

bool Knowledge::Add(const CandidateFile& name, DigestAlgorithm algorithm) {
  const FileStat& stat = name.file.stat;
  if (stat.device != stat_.device || stat.inode != stat_.inode) return false;
  several_versions_ = several_versions_ || !SameVersion(stat, stat_);
  if (several_versions_) {
    key_ = {};
    return true;
  }
  const ContentKey more = UsableParts(name, algorithm);
  for (std::size_t i = 0; i < key_.digests.size(); ++i) {
    if (!key_.digests[i]) key_.digests[i] = more.digests[i];
  }
  CompleteKey(stat.size, algorithm, key_);
  return true;
}

KnownContent Inode::known() const {
  const FileStat& stat = name.file.stat;
  return {.size = stat.size,
          .device = stat.device,
          .inode = stat.inode,
          .modify_time_ns = stat.modify_time_ns,
          .change_time_ns = stat.change_time_ns,
          .key = key};
}

std::strong_ordering ByContent::Compare(const ContentKey& a, const ContentKey& b) const {
  const auto compare = [&](ContentPart compared) { return a.of(compared) <=> b.of(compared); };
  if (part == ContentPart::kWhole) return compare(ContentPart::kWhole);
  const std::strong_ordering prefixes = compare(ContentPart::kPrefix);
  if (prefixes != 0 || part == ContentPart::kPrefix) return prefixes;
  return compare(ContentPart::kSuffix);
}

DigestRequest InodeReader::RequestFor(ContentPart part, const Inode& inode) const {
  return {.path = inode.name.file.path,
          .algorithm = part == ContentPart::kWhole ? context_.options.digest_algorithm
                                                   : ContentKey::kStageAlgorithm,
          .part = part,
          .expected = inode.name.file.stat,
          .on_change = DigestRequest::OnChange::kFail,
          .reading = &context_.deps.counters.reading};
}

void InodeReader::ReadAhead(ContentPart part, const Inode& inode, OpenedFile& file) {
  if (inode.key.of(part)) return;
  context_.deps.digester.ReadAhead(RequestFor(part, inode), file);
}

Task<bool> InodeReader::Read(ContentPart part, Inode& inode, OpenedFile& file,
                             std::span<std::uint8_t>* keep) {
  while (!inode.key.of(part)) {
    ThrowIfStopRequested(stop_);
    DigestRequest request = RequestFor(part, inode);
    if (keep != nullptr) request.keep = *keep;
    request.opened = file.fd();
    std::optional<ItemError> error = co_await TryRead(std::move(request), inode, keep);
    if (!error) break;
    file = {};
    const bool another_name_may_do = AnotherNameMayDo(*error);
    errors_.push_back(*std::move(error));
    if (!another_name_may_do || !TakeNextName(inode)) co_return false;
  }
  co_return true;
}

Task<std::optional<ItemError>> InodeReader::TryRead(DigestRequest request, Inode& inode,
                                                    std::span<std::uint8_t>* keep) {
  const ContentPart part = request.part;
  const DigestAlgorithm algorithm = context_.options.digest_algorithm;
  ItemResult<ContentDigest> result = co_await context_.deps.digester.DigestFile(
      std::move(request), context_.deps.scope.executor(), stop_);
  if (auto* error = std::get_if<ItemError>(&result)) co_return std::move(*error);
  const auto& read = std::get<ContentDigest>(result);
  context_.deps.counters.digest.Add(1, read.bytes_read);
  if (keep != nullptr && !read.kept) *keep = {};
  inode.key.of(part) = read.digest;
  CompleteKey(inode.name.file.stat.size, algorithm, inode.key);
  inode.version_read = true;
  co_return std::nullopt;
}

// Goes on to the next name that may stand for the inode. False when there is none.
bool InodeReader::TakeNextName(Inode& inode) {
  while (inode.names > 1) {
    ++inode.position;
    --inode.names;
    const CandidateFile* next = pages_.At(inode.position, inode.names);
    assert(next != nullptr && "a candidate list does not change");
    if (inode.version_read && !SameVersion(next->file.stat, inode.name.file.stat)) {
      errors_.push_back(ChangedSinceRecorded(next->file.path));
      continue;
    }
    // Of other versions nothing is known: see Knowledge.
    inode.name = *next;
    return true;
  }
  return false;
}

ItemResult<CandidateFile> InodeReader::Name(const Inode& inode, std::uint64_t position) {
  if (position == inode.position) return inode.name;
  const CandidateFile* name = pages_.At(position, inode.position + inode.names - position);
  assert(name != nullptr && "a candidate list does not change");
  if (!SameVersion(name->file.stat, inode.name.file.stat))
    return ChangedSinceRecorded(name->file.path);
  return *name;
}

}  // namespace sluice
