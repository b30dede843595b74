#include "pipeline/stages/large_class.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/buffer.h"
#include "pipeline/ops/pipe.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/ops/unbatch.h"
#include "pipeline/stages/busy_time.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/candidate_pages.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/digest.h"
#include "pipeline/stages/fairness.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/inode.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"

namespace sluice {

namespace {

using Chunk = std::vector<InodeItem>;

// The names of the class, those of one inode taken together.
AsyncGenerator<InodeItem> InodesOf(SizeClass size_class, ReconcileContextPtr context) {
  CandidatePages pages(*context->deps.candidates);
  PipelineCounters& counters = context->deps.counters;
  const DigestAlgorithm algorithm = context->options.digest_algorithm;
  std::optional<Inode> inode;
  Knowledge knowledge;
  for (std::uint64_t position = size_class.first; position < size_class.end; ++position) {
    if (position % kYieldItems == 0) co_await context->deps.scope.executor().YieldIfBusy();
    const CandidateFile* name = pages.At(position, size_class.end - position);
    if (inode && knowledge.Add(*name, algorithm)) {
      ++inode->names;
      inode->key = knowledge.key();
      counters.LowerItemsTotal(1);
      continue;
    }
    knowledge = Knowledge(*name, algorithm);
    std::optional<Inode> complete =
        std::exchange(inode, Inode{.name = *name, .position = position, .key = knowledge.key()});
    if (!complete) continue;
    counters.group.Add(1, size_class.size);
    co_yield InodeItem(*std::move(complete));
  }
  if (!inode) co_return;
  counters.group.Add(1, size_class.size);
  co_yield InodeItem(*std::move(inode));
}

AsyncGenerator<Chunk> InChunks(AsyncGenerator<InodeItem> inodes, std::uint64_t bytes_each) {
  Chunk chunk;
  while (auto item = co_await inodes.Next()) {
    chunk.push_back(*std::move(item));
    if (chunk.size() == kDigestChunkItems || chunk.size() * bytes_each >= kDigestChunkBytes) {
      co_yield std::exchange(chunk, {});
    }
  }
  if (!chunk.empty()) co_yield std::move(chunk);
}

// Takes the inodes of a chunk one stage on; all else passes. What is known whole is handed on at
// once: were it kept until the class is decided, a crash would take with it all that was read.
Task<Chunk> ReadChunk(ReconcileContextPtr context, ContentPart part, Chunk chunk,
                      std::stop_token stop) {
  co_await context->deps.scope.executor().YieldIfBusy();
  const BusyTime busy(context->deps.counters.digest);
  InodeReader reader(*context, std::move(stop));
  std::vector<OpenedFile> files(chunk.size());
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    const auto* inode = std::get_if<Inode>(&chunk[i]);
    if (inode != nullptr) reader.ReadAhead(part, *inode, files[i]);
  }
  Chunk result;
  result.reserve(chunk.size());
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    OpenedFile file = std::move(files[i]);
    auto* inode = std::get_if<Inode>(&chunk[i]);
    bool keep = inode == nullptr;
    if (!keep) keep = co_await reader.Read(part, *inode, file);
    if (!keep) continue;
    if (inode != nullptr && part == ContentPart::kWhole) result.emplace_back(inode->known());
    result.push_back(std::move(chunk[i]));
  }
  for (ItemError& error : reader.TakeErrors()) result.emplace_back(std::move(error));
  co_return result;
}

struct ChunkReader {
  ReconcileContextPtr context;
  ContentPart part;
  Task<Chunk> operator()(Chunk chunk, std::stop_token stop) const {
    return ReadChunk(context, part, std::move(chunk), std::move(stop));
  }
};

using InodeSpool = SortedSpool<Inode, ByContent>;

// One stage: reads a part of every inode, and yields those that are still one of enough copies,
// group by group, and what is known of the others. The source is read to its end first.
AsyncGenerator<InodeItem> Refine(AsyncGenerator<InodeItem> inodes, ContentPart part,
                                 std::uint64_t size, ReconcileContextPtr context) {
  Executor& executor = context->deps.scope.executor();
  const std::uint64_t bytes_each =
      part == ContentPart::kWhole ? size : std::min(size, kContentEndBytes);
  auto chunks = InChunks(std::move(inodes), bytes_each) |
                TransformConcurrently(context->deps.scope, context->options.concurrency,
                                      ChunkReader{context, part}, Order::kSource,
                                      context->options.concurrency);
  const ByContent by_content(part);
  InodeSpool spool(context->spool(), by_content);
  while (auto chunk = co_await chunks.Next()) {
    for (InodeItem& item : *chunk) {
      if (auto* inode = std::get_if<Inode>(&item)) {
        spool.Add(std::move(*inode));
        if (spool.merge_due()) co_await spool.Merge(executor);
      } else {
        co_yield std::move(item);
      }
    }
  }
  co_await spool.Finish(executor);
  // Each group is passed twice: to count its copies, and to hand them on.
  InodeSpool::Cursor ahead = spool.Read();
  InodeSpool::Cursor behind = ahead;
  const Inode* inode = ahead.Next();
  while (inode != nullptr) {
    const ContentKey key = inode->key;
    CopyTally tally;
    std::uint64_t count = 0;
    for (; inode != nullptr && by_content.Same(inode->key, key); inode = ahead.Next()) {
      tally.AddInode(inode->name.file.stat.device);
      if (++count % kYieldItems == 0) co_await executor.YieldIfBusy();
    }
    for (; count > 0; --count) {
      const Inode* copy = behind.Next();
      if (tally.Suffices(context->options)) {
        co_yield InodeItem(*copy);
      } else if (part != ContentPart::kWhole && !copy->key.empty()) {
        co_yield InodeItem(copy->known());
      }
    }
  }
}

// A class that is being read: what its stages come to, and what there is to say at its end.
struct ReadingClass {
  AsyncGenerator<InodeItem> inodes;
  DecidedUpTo decided;
};

// The first chunk is empty: to pull it is to begin.
AsyncGenerator<Chunk> AllStages(SizeClass size_class, ReconcileContextPtr context) {
  co_yield Chunk();
  AsyncGenerator<InodeItem> inodes = InodesOf(size_class, context);
  for (const ContentPart part : size_class.stages()) {
    inodes = Refine(std::move(inodes), part, size_class.size, context);
  }
  auto chunks = InChunks(std::move(inodes), size_class.size);
  while (auto chunk = co_await chunks.Next()) co_yield *std::move(chunk);
}

Task<ReadingClass> BeginToRead(SizeClass size_class, ReconcileContextPtr context) {
  const DecidedUpTo decided{.end = size_class.end, .bytes = size_class.bytes()};
  auto chunks = AllStages(std::move(size_class), context) |
                Buffer(context->deps.scope, kLargeClassChunksAhead);
  co_await chunks.Next();
  co_return ReadingClass{.inodes = std::move(chunks) | Unbatch(), .decided = decided};
}

// What of a class has nothing to do with its groups.
GroupItem PassOn(InodeItem item) {
  if (auto* error = std::get_if<ItemError>(&item)) return std::move(*error);
  return std::get<KnownContent>(item);
}

// The groups of inodes that follow each other by content.
AsyncGenerator<GroupItem> GroupsOf(Inode first, AsyncGenerator<InodeItem> rest,
                                   ReconcileContextPtr context) {
  Executor& executor = context->deps.scope.executor();
  InodeReader reader(*context, context->deps.scope.stop_token());
  std::unique_ptr<Group> group;
  std::uint64_t names = 0;
  for (auto item = std::make_optional<InodeItem>(std::move(first)); item;
       item = co_await rest.Next()) {
    if (!std::holds_alternative<Inode>(*item)) {
      co_yield PassOn(*std::move(item));
      continue;
    }
    ThrowIfStopRequested(context->deps.scope.stop_token());
    const Inode inode = std::get<Inode>(*std::move(item));
    const Digest digest = *inode.key.of(ContentPart::kWhole);
    if (group && group->digest() != digest) {
      co_await group->Finish(executor);
      if (group->MakesPlan()) co_yield GroupItem(std::move(group));
      group.reset();
    }
    if (!group) group = std::make_unique<Group>(context, digest);
    for (std::uint64_t i = 0; i < inode.names; ++i) {
      if (++names % kYieldItems == 0) co_await executor.YieldIfBusy();
      auto name = reader.Name(inode, inode.position + i);
      if (auto* error = std::get_if<ItemError>(&name)) {
        co_yield GroupItem(std::move(*error));
        continue;
      }
      group->Add(std::get<CandidateFile>(std::move(name)));
      if (group->merge_due()) co_await group->Merge(executor);
    }
  }
  co_await group->Finish(executor);
  if (group->MakesPlan()) co_yield GroupItem(std::move(group));
}

bool IsLarge(const SizeClass* size_class) { return size_class != nullptr && !size_class->small(); }

}  // namespace

AsyncGenerator<GroupItem> LargeClassGroups(SizeClassReader* classes, ReconcileContextPtr context) {
  std::optional<ReadingClass> next = co_await BeginToRead(classes->Take(), context);
  while (next) {
    ReadingClass current = *std::exchange(next, std::nullopt);
    const bool one_more = IsLarge(co_await classes->Peek());
    std::optional<InodeItem> item = co_await current.inodes.Next();
    for (; item && !std::holds_alternative<Inode>(*item); item = co_await current.inodes.Next()) {
      co_yield PassOn(*std::move(item));
    }
    // All of it has been read: what is left is to sort out its groups.
    if (one_more) next = co_await BeginToRead(classes->Take(), context);
    if (item) {
      auto groups = GroupsOf(std::get<Inode>(*std::move(item)), std::move(current.inodes), context);
      while (auto group = co_await groups.Next()) co_yield *std::move(group);
    }
    co_yield GroupItem(current.decided);
  }
}

}  // namespace sluice
