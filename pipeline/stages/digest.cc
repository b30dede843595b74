#include "pipeline/stages/digest.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
#include "pipeline/stages/busy_time.h"
#include "pipeline/stages/fairness.h"

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
  Executor& executor;
};

const FileEntry* AsRegularFile(const ScanItem& item) {
  const auto* file = std::get_if<FileEntry>(&item);
  return file != nullptr && file->stat.type == FileType::kRegular ? file : nullptr;
}

bool WasRecorded(const FileEntry& file, const RecordedItems* recorded) {
  return recorded != nullptr && recorded->Contains(file);
}

void TakeOverDigest(FileEntry& file, const RecordedDigests* base) {
  if (base != nullptr) file.digest = base->Find(file.stat);
}

DigestRequest RequestFor(const FileEntry& file, const ChunkContext& context) {
  return {.path = file.path,
          .algorithm = context.algorithm,
          .part = ContentPart::kWhole,
          .expected = file.stat,
          .on_change = DigestRequest::OnChange::kFollow,
          .reading = &context.counters.reading};
}

Task<ScanItem> DigestOne(FileEntry file, OpenedFile opened, ChunkContext context,
                         std::stop_token stop) {
  DigestRequest request = RequestFor(file, context);
  request.opened = opened.fd();
  ItemResult<ContentDigest> result =
      co_await context.digester->DigestFile(std::move(request), context.executor, std::move(stop));
  if (auto* error = std::get_if<ItemError>(&result)) co_return std::move(*error);
  const auto& content = std::get<ContentDigest>(result);
  context.counters.digest.Add(1, content.bytes_read);
  file.stat = content.stat;
  file.digest = content.digest;
  co_return file;
}

Task<Chunk> DigestChunk(Chunk chunk, ChunkContext context, std::stop_token stop) {
  co_await context.executor.YieldIfBusy();
  const BusyTime busy(context.counters.digest);
  std::vector<OpenedFile> files(chunk.size());
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (!chunk[i].digest) continue;
    context.digester->ReadAhead(RequestFor(std::get<FileEntry>(chunk[i].item), context), files[i]);
  }
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    ThrowIfStopRequested(stop);
    if (!chunk[i].digest) continue;
    chunk[i].item = co_await DigestOne(std::get<FileEntry>(std::move(chunk[i].item)),
                                       std::move(files[i]), context, stop);
  }
  co_return chunk;
}

// What is not digested travels in chunks as well, to keep its place.
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
                                    std::size_t concurrency, Order order, DigestDeps deps) {
  ChunkContext context{.algorithm = algorithm,
                       .digester = std::make_shared<LinkAwareDigester>(deps.digester),
                       .counters = deps.counters,
                       .executor = deps.scope.executor()};
  const auto digest_chunk = [context](Chunk chunk, std::stop_token stop) {
    return DigestChunk(std::move(chunk), context, std::move(stop));
  };
  AsyncGenerator<Chunk> chunks =
      InChunks(std::move(source)) |
      TransformConcurrently(deps.scope, concurrency, digest_chunk, order);
  while (std::optional<Chunk> chunk = co_await chunks.Next()) {
    for (Work& work : *chunk) co_yield std::move(work.item);
  }
}

// What the digests of this run come to, beside those that the counters hold already.
class Totals final {
 public:
  explicit Totals(PipelineCounters& counters)
      : counters_(counters),
        items_(counters.digest.items.load(std::memory_order_relaxed)),
        bytes_(counters.digest.bytes.load(std::memory_order_relaxed)) {}

  void Add(std::uint64_t items, std::uint64_t bytes) {
    items_ += items;
    bytes_ += bytes;
  }
  void Publish() const {
    counters_.items_total.store(items_, std::memory_order_relaxed);
    counters_.bytes_total.store(bytes_, std::memory_order_relaxed);
  }

 private:
  PipelineCounters& counters_;
  std::uint64_t items_;
  std::uint64_t bytes_;
};

AsyncGenerator<Work> WorkOnAllFiles(AsyncGenerator<ScanItem> source, DigestDeps deps) {
  Totals totals(deps.counters);
  while (std::optional<ScanItem> item = co_await source.Next()) {
    auto* file = std::get_if<FileEntry>(&*item);
    if (AsRegularFile(*item) != nullptr) TakeOverDigest(*file, deps.base);
    const bool digest = AsRegularFile(*item) != nullptr && !file->digest;
    if (digest) totals.Add(1, file->stat.size);
    co_yield Work{.item = *std::move(item), .digest = digest};
  }
  totals.Publish();
}

// A file that waits for the end of the walk.
struct WaitingFile {
  FileEntry file;  // With a digest where that is known already.
  bool recorded = false;
};

bool IsSameInode(const FileStat& a, const FileStat& b) {
  return a.device == b.device && a.inode == b.inode;
}

// The names of an inode stand together, so that it is read once.
struct BySizeThenInode {
  static auto KeyOf(const FileEntry& file) {
    return std::tie(file.stat.size, file.stat.device, file.stat.inode, file.path);
  }
  bool operator()(const WaitingFile& a, const WaitingFile& b) const {
    return KeyOf(a.file) < KeyOf(b.file);
  }
};

}  // namespace

template <>
struct SpoolCodec<WaitingFile> {
  static void Encode(const WaitingFile& waiting, std::string* out) {
    SpoolCodec<FileEntry>::Encode(waiting.file, out);
    AppendValue(waiting.recorded, out);
  }
  static WaitingFile Decode(std::string_view* in) {
    FileEntry file = SpoolCodec<FileEntry>::Decode(in);
    return {.file = std::move(file), .recorded = TakeValue<bool>(in)};
  }
  static std::size_t SizeInMemory(const WaitingFile& waiting) {
    return sizeof waiting + waiting.file.path.capacity();
  }
};

namespace {

using FileSpool = SortedSpool<WaitingFile, BySizeThenInode>;

// The files of one size.
struct SizeTally {
  std::uint64_t size = 0;
  std::uint64_t names = 0;
  std::uint64_t unread_names = 0;  // Neither recorded before nor digested by the base scan.
  std::uint64_t unread_inodes = 0;
  bool shared = false;  // By several inodes.
};

// Goes over the files, size by size.
class SizeScout final {
 public:
  SizeScout(const FileSpool& spool, const DigestDeps& deps)
      : executor_(deps.scope.executor()),
        stop_(deps.scope.stop_token()),
        cursor_(spool.Read()),
        next_(cursor_.Next()) {}

  // No names: that was all.
  Task<SizeTally> Next() {
    SizeTally tally;
    if (next_ == nullptr) co_return tally;
    const FileStat first = next_->file.stat;
    FileStat last_unread;
    tally.size = first.size;
    for (; next_ != nullptr && next_->file.stat.size == first.size; next_ = cursor_.Next()) {
      const FileStat& stat = next_->file.stat;
      ++tally.names;
      tally.shared = tally.shared || !IsSameInode(stat, first);
      if (!next_->recorded && !next_->file.digest) {
        const bool is_new = tally.unread_names++ == 0 || !IsSameInode(stat, last_unread);
        if (is_new) ++tally.unread_inodes;
        last_unread = stat;
      }
      if (++seen_ % kYieldItems != 0) continue;
      ThrowIfStopRequested(stop_);
      co_await executor_.YieldIfBusy();
    }
    co_return tally;
  }

 private:
  Executor& executor_;
  const std::stop_token stop_;
  FileSpool::Cursor cursor_;
  const WaitingFile* next_;
  std::uint64_t seen_ = 0;
};

Task<> FindTotals(const FileSpool& spool, DigestDeps deps) {
  Totals totals(deps.counters);
  SizeScout scout(spool, deps);
  for (SizeTally tally = co_await scout.Next(); tally.names > 0; tally = co_await scout.Next()) {
    if (!tally.shared) continue;
    totals.Add(tally.unread_names, tally.unread_inodes * tally.size);
  }
  totals.Publish();
}

// Whether a file has to be read is known at the end of its size only, which may be any number of
// files away: a scout goes ahead and finds out.
AsyncGenerator<Work> WorkOnSharedSizes(std::unique_ptr<FileSpool> spool, DigestDeps deps) {
  co_await FindTotals(*spool, deps);
  SizeScout scout(*spool, deps);
  FileSpool::Cursor files = spool->Read();
  std::uint64_t passed = 0;
  for (SizeTally tally = co_await scout.Next(); tally.names > 0; tally = co_await scout.Next()) {
    for (std::uint64_t i = 0; i < tally.names; ++i) {
      const WaitingFile* waiting = files.Next();
      if (!waiting->recorded) {
        FileEntry file = waiting->file;
        if (!tally.shared) file.digest.reset();
        const bool digest = tally.shared && !file.digest;
        co_yield Work{.item = std::move(file), .digest = digest};
      }
      if (++passed % kYieldItems == 0) co_await deps.scope.executor().YieldIfBusy();
    }
  }
}

}  // namespace

AsyncGenerator<ScanItem> NotYetRecorded(AsyncGenerator<ScanItem> source,
                                        const RecordedItems* recorded) {
  while (std::optional<ScanItem> item = co_await source.Next()) {
    const auto* file = std::get_if<FileEntry>(&*item);
    if (file == nullptr || !WasRecorded(*file, recorded)) co_yield *std::move(item);
  }
}

AsyncGenerator<ScanItem> DigestAll(AsyncGenerator<ScanItem> source, DigestAlgorithm algorithm,
                                   std::size_t concurrency, DigestDeps deps) {
  AsyncGenerator<ScanItem> files = NotYetRecorded(std::move(source), deps.recorded);
  return DigestWork(WorkOnAllFiles(std::move(files), deps), algorithm, concurrency,
                    Order::kCompletion, deps);
}

AsyncGenerator<ScanItem> DigestCandidates(AsyncGenerator<ScanItem> source,
                                          DigestAlgorithm algorithm, std::size_t concurrency,
                                          std::string spool_directory, DigestDeps deps) {
  Executor& executor = deps.scope.executor();
  auto spool = std::make_unique<FileSpool>(
      SpoolOptions{.directory = std::move(spool_directory), .stop = deps.scope.stop_token()});
  while (std::optional<ScanItem> item = co_await source.Next()) {
    auto* file = std::get_if<FileEntry>(&*item);
    const bool recorded = file != nullptr && WasRecorded(*file, deps.recorded);
    if (AsRegularFile(*item) != nullptr) {
      if (!recorded) TakeOverDigest(*file, deps.base);
      spool->Add({.file = std::move(*file), .recorded = recorded});
      if (spool->merge_due()) co_await spool->Merge(executor);
    } else if (!recorded) {
      co_yield *std::move(item);
    }
  }
  co_await spool->Finish(executor);

  AsyncGenerator<ScanItem> files = DigestWork(WorkOnSharedSizes(std::move(spool), deps), algorithm,
                                              concurrency, Order::kSource, deps);
  while (std::optional<ScanItem> file = co_await files.Next()) co_yield *std::move(file);
}

}  // namespace sluice
