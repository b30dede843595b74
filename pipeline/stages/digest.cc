#include "pipeline/stages/digest.h"

#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/link_aware_digester.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/ops/pipe.h"
#include "pipeline/ops/transform_concurrently.h"

namespace sluice {

namespace {

struct Work {
  ScanItem item;
  bool digest = false;  // Only with a regular file.
};
using Chunk = std::vector<Work>;

// What the threads share. Children of the scope may outlive the stage that started them.
struct ChunkContext {
  DigestAlgorithm algorithm;
  std::shared_ptr<LinkAwareDigester> digester;
  PipelineCounters& counters;
};

const FileEntry* AsRegularFile(const ScanItem& item) {
  const auto* file = std::get_if<FileEntry>(&item);
  return file != nullptr && file->stat.type == FileType::kRegular ? file : nullptr;
}

ScanItem DigestOne(FileEntry file, const ChunkContext& context, const std::stop_token& stop) {
  const DigestRequest request{.path = file.path,
                              .algorithm = context.algorithm,
                              .part = ContentPart::kWhole,
                              .expected = file.stat,
                              .on_change = DigestRequest::OnChange::kFollow,
                              .reading = &context.counters.reading};
  ItemResult<ContentDigest> result = context.digester->DigestFile(request, stop);
  if (auto* error = std::get_if<ItemError>(&result)) return std::move(*error);
  const auto& content = std::get<ContentDigest>(result);
  context.counters.digest.Add(1, content.bytes_read);
  file.stat = content.stat;
  file.digest = content.digest;
  return file;
}

// Never suspends: it is a task so that it runs on a thread of the executor.
Task<Chunk> DigestChunk(Chunk chunk, ChunkContext context, std::stop_token stop) {
  for (Work& work : chunk) {
    ThrowIfStopRequested(stop);
    if (work.digest) {
      work.item = DigestOne(std::get<FileEntry>(std::move(work.item)), context, stop);
    }
  }
  co_return chunk;
}

// Also what is not digested travels in chunks, to keep its place.
AsyncGenerator<Chunk> InChunks(AsyncGenerator<Work> source) {
  Chunk chunk;
  std::uint64_t bytes = 0;
  while (std::optional<Work> work = co_await source.Next()) {
    if (work->digest) bytes += std::get<FileEntry>(work->item).stat.size;
    chunk.push_back(*std::move(work));
    if (chunk.size() < kDigestChunkItems && bytes < kDigestChunkBytes) continue;
    co_yield std::exchange(chunk, {});
    bytes = 0;
  }
  if (!chunk.empty()) co_yield std::move(chunk);
}

AsyncGenerator<ScanItem> DigestWork(AsyncGenerator<Work> source, DigestAlgorithm algorithm,
                                    std::size_t concurrency, DigestDeps deps) {
  ChunkContext context{.algorithm = algorithm,
                       .digester = std::make_shared<LinkAwareDigester>(deps.digester),
                       .counters = deps.counters};
  const auto digest_chunk = [context](Chunk chunk, std::stop_token stop) {
    return DigestChunk(std::move(chunk), context, std::move(stop));
  };
  AsyncGenerator<Chunk> chunks =
      InChunks(std::move(source)) | TransformConcurrently(deps.scope, concurrency, digest_chunk);
  while (std::optional<Chunk> chunk = co_await chunks.Next()) {
    for (Work& work : *chunk) co_yield std::move(work.item);
  }
}

AsyncGenerator<Work> WorkOnAllFiles(AsyncGenerator<ScanItem> source) {
  while (std::optional<ScanItem> item = co_await source.Next()) {
    const bool digest = AsRegularFile(*item) != nullptr;
    co_yield Work{.item = *std::move(item), .digest = digest};
  }
}

// The names of an inode stand together, so that it is read once.
struct BySizeThenInode {
  static auto KeyOf(const FileEntry& file) {
    return std::tie(file.stat.size, file.stat.device, file.stat.inode, file.path);
  }
  bool operator()(const FileEntry& a, const FileEntry& b) const { return KeyOf(a) < KeyOf(b); }
};
using FileSpool = SortedSpool<FileEntry, BySizeThenInode>;

bool IsSameInode(const FileStat& a, const FileStat& b) {
  return a.device == b.device && a.inode == b.inode;
}

// Whether a file has to be read is known at the end of its size only, which may be any number of
// files away: a second cursor goes ahead and finds out.
AsyncGenerator<Work> WorkOnSharedSizes(std::unique_ptr<FileSpool> spool, std::stop_token stop) {
  FileSpool::Cursor files = spool->Read();
  FileSpool::Cursor scout = spool->Read();
  const FileEntry* ahead = scout.Next();
  while (ahead != nullptr) {
    const FileStat first = ahead->stat;
    std::uint64_t count = 0;
    bool shared = false;
    for (; ahead != nullptr && ahead->stat.size == first.size; ahead = scout.Next()) {
      ThrowIfStopRequested(stop);
      shared = shared || !IsSameInode(ahead->stat, first);
      ++count;
    }
    for (; count > 0; --count) co_yield Work{.item = *files.Next(), .digest = shared};
  }
}

}  // namespace

AsyncGenerator<ScanItem> DigestAll(AsyncGenerator<ScanItem> source, DigestAlgorithm algorithm,
                                   std::size_t concurrency, DigestDeps deps) {
  return DigestWork(WorkOnAllFiles(std::move(source)), algorithm, concurrency, deps);
}

AsyncGenerator<ScanItem> DigestCandidates(AsyncGenerator<ScanItem> source,
                                          DigestAlgorithm algorithm, std::size_t concurrency,
                                          std::string spool_directory, DigestDeps deps) {
  const std::stop_token stop = deps.scope.stop_token();
  auto spool = std::make_unique<FileSpool>(
      SpoolOptions{.directory = std::move(spool_directory), .stop = stop});
  while (std::optional<ScanItem> item = co_await source.Next()) {
    if (AsRegularFile(*item) != nullptr) {
      spool->Add(std::get<FileEntry>(*std::move(item)));
    } else {
      co_yield *std::move(item);
    }
  }
  spool->Finish();

  AsyncGenerator<ScanItem> files =
      DigestWork(WorkOnSharedSizes(std::move(spool), stop), algorithm, concurrency, deps);
  while (std::optional<ScanItem> file = co_await files.Next()) co_yield *std::move(file);
}

}  // namespace sluice
