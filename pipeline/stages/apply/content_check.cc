#include "pipeline/stages/apply/content_check.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/hasher.h"

namespace sluice {
namespace {

using Buffer = std::vector<std::uint8_t>;

// Reads the slice of `file` at `offset`; a file that is shorter than it was is another one.
CheckedContent ReadSlice(FsOps& fs, const PinnedFile& file, std::uint64_t offset, Buffer& buffer,
                         std::span<const std::uint8_t>& slice) {
  const std::size_t wanted = std::min<std::uint64_t>(kCheckSliceBytes, file.stat.size - offset);
  buffer.resize(wanted);
  std::size_t count = 0;
  if (const int error = fs.Read(file.fd.get(), offset, buffer, &count)) {
    return {.result = ContentCheck::kUnreadable, .error_number = error};
  }
  slice = std::span(buffer).first(count);
  return {.result = count == wanted ? ContentCheck::kSame : ContentCheck::kDifferent};
}

}  // namespace

std::optional<ChangeError> VerdictOf(const CheckedContent& checked) {
  switch (checked.result) {
    case ContentCheck::kSame:
      return std::nullopt;
    case ContentCheck::kDifferent:
      return Skip(SkipReason::kContentDiffers);
    case ContentCheck::kLeaseBroken:
      return Skip(SkipReason::kBusy);
    case ContentCheck::kUnreadable:
      return ChangeError{
          .skip = std::nullopt, .operation = "read", .error_number = checked.error_number};
  }
  return std::nullopt;
}

Task<CheckedContent> CompareFiles(const PinnedFile& a, const Lease& lease_of_a, const PinnedFile& b,
                                  const Lease& lease_of_b, ContentCheckDeps deps) {
  if (a.stat.size != b.stat.size) co_return CheckedContent{.result = ContentCheck::kDifferent};
  Buffer buffer_of_a;
  Buffer buffer_of_b;
  for (std::uint64_t offset = 0; offset < a.stat.size; offset += kCheckSliceBytes) {
    ThrowIfStopRequested(deps.stop);
    std::span<const std::uint8_t> slice_of_a;
    std::span<const std::uint8_t> slice_of_b;
    CheckedContent read = ReadSlice(deps.fs, a, offset, buffer_of_a, slice_of_a);
    if (read.result != ContentCheck::kSame) co_return read;
    read = ReadSlice(deps.fs, b, offset, buffer_of_b, slice_of_b);
    if (read.result != ContentCheck::kSame) co_return read;
    if (!std::ranges::equal(slice_of_a, slice_of_b)) {
      co_return CheckedContent{.result = ContentCheck::kDifferent};
    }
    if (!lease_of_a.holds() || !lease_of_b.holds()) {
      co_return CheckedContent{.result = ContentCheck::kLeaseBroken};
    }
    co_await deps.executor.YieldIfBusy();
  }
  co_return CheckedContent();
}

Task<CheckedContent> CheckDigest(const PinnedFile& file, const Lease& lease, Digest expected,
                                 SliceSink copy_to, ContentCheckDeps deps) {
  const std::unique_ptr<Hasher> hasher = MakeHasher(expected.algorithm);
  Buffer buffer;
  for (std::uint64_t offset = 0; offset < file.stat.size; offset += kCheckSliceBytes) {
    ThrowIfStopRequested(deps.stop);
    std::span<const std::uint8_t> slice;
    const CheckedContent read = ReadSlice(deps.fs, file, offset, buffer, slice);
    if (read.result != ContentCheck::kSame) co_return read;
    hasher->Update(slice);
    if (const int error = copy_to ? copy_to(offset, slice) : 0) {
      co_return CheckedContent{.result = ContentCheck::kUnreadable, .error_number = error};
    }
    if (!lease.holds()) co_return CheckedContent{.result = ContentCheck::kLeaseBroken};
    co_await deps.executor.YieldIfBusy();
  }
  const bool same = hasher->Finish() == expected;
  co_return CheckedContent{.result = same ? ContentCheck::kSame : ContentCheck::kDifferent};
}

}  // namespace sluice
