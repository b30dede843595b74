#include "pipeline/stages/inode.h"

#include <cassert>
#include <cstdint>
#include <optional>
#include <stop_token>
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
#include "pipeline/stages/size_class.h"

namespace sluice {

namespace {

ItemError ChangedError(const std::string& path) {
  return {.path = path,
          .operation = "stat",
          .reason = ItemError::Reason::kChanged,
          .message = "has changed since it was recorded"};
}

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

void DropUnusableDigest(const ReconcileOptions& options, FileEntry& file) {
  if (!HasRecordedDigest(file, options)) file.digest.reset();
}

Task<std::optional<ItemError>> TryReadPart(ContentPart part, const ReconcileContext& context,
                                           std::stop_token stop, Inode& inode) {
  const FileEntry& file = inode.name.file;
  if (part == ContentPart::kWhole && file.digest) {
    inode.key.of(part) = *file.digest;
    co_return context.deps.digester.CheckVersion(file.path, file.stat);
  }
  ItemResult<ContentDigest> result =
      co_await context.deps.digester.DigestFile({.path = file.path,
                                                 .algorithm = context.options.digest_algorithm,
                                                 .part = part,
                                                 .expected = file.stat,
                                                 .on_change = DigestRequest::OnChange::kFail,
                                                 .reading = &context.deps.counters.reading},
                                                context.deps.scope.executor(), std::move(stop));
  if (auto* error = std::get_if<ItemError>(&result)) co_return std::move(*error);
  const auto& read = std::get<ContentDigest>(result);
  context.deps.counters.digest.Add(1, read.bytes_read);
  inode.key.of(part) = read.digest;
  co_return std::nullopt;
}

// Goes on to the next name that may stand for the inode. False when there is none.
bool TakeNextName(const ReconcileOptions& options, CandidatePages& pages, Inode& inode,
                  std::vector<ItemError>& errors) {
  while (inode.names > 1) {
    ++inode.position;
    --inode.names;
    const CandidateFile* next = pages.At(inode.position, inode.names);
    assert(next != nullptr && "a candidate list does not change");
    const bool same_version = SameVersion(next->file.stat, inode.name.file.stat);
    if (inode.version_read && !same_version) {
      errors.push_back(ChangedError(next->file.path));
      continue;
    }
    const std::optional<Digest> recorded = inode.name.file.digest;
    inode.name = *next;
    DropUnusableDigest(options, inode.name.file);
    if (same_version && !inode.name.file.digest) inode.name.file.digest = recorded;
    return true;
  }
  return false;
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

Inode MakeInode(CandidateFile name, std::uint64_t position, const ReconcileOptions& options) {
  DropUnusableDigest(options, name.file);
  return {.name = std::move(name), .position = position, .key = {}};
}

bool AddName(const CandidateFile& name, const ReconcileOptions& options, Inode& inode) {
  FileEntry& known = inode.name.file;
  if (name.file.stat.device != known.stat.device || name.file.stat.inode != known.stat.inode) {
    return false;
  }
  ++inode.names;
  if (!known.digest && HasRecordedDigest(name.file, options) &&
      SameVersion(name.file.stat, known.stat)) {
    known.digest = name.file.digest;
  }
  return true;
}

Task<bool> ReadPart(ContentPart part, const ReconcileContext& context, std::stop_token stop,
                    CandidatePages& pages, Inode& inode, std::vector<ItemError>& errors) {
  while (true) {
    ThrowIfStopRequested(stop);
    std::optional<ItemError> error = co_await TryReadPart(part, context, stop, inode);
    if (!error) break;
    const bool another_name_may_do = AnotherNameMayDo(*error);
    errors.push_back(std::move(*error));
    if (!another_name_may_do || !TakeNextName(context.options, pages, inode, errors)) {
      co_return false;
    }
  }
  inode.version_read = true;
  co_return true;
}

ItemResult<CandidateFile> CheckedName(const Inode& inode, std::uint64_t position,
                                      const ReconcileContext& context, CandidatePages& pages) {
  if (position == inode.position) return inode.name;
  CandidateFile* name = pages.At(position, inode.position + inode.names - position);
  assert(name != nullptr && "a candidate list does not change");
  const FileEntry& file = name->file;
  if (!SameVersion(file.stat, inode.name.file.stat)) return ChangedError(file.path);
  if (auto error = context.deps.digester.CheckVersion(file.path, file.stat)) {
    return *std::move(error);
  }
  return *name;
}

}  // namespace sluice
