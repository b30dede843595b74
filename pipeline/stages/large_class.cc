#include "pipeline/stages/large_class.h"

#include <algorithm>
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
#include "pipeline/ops/transform_concurrently.h"
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
  std::optional<Inode> inode;
  for (std::uint64_t position = size_class.first; position < size_class.end; ++position) {
    if (position % kYieldItems == 0) co_await context->deps.scope.executor().YieldIfBusy();
    const CandidateFile* name = pages.At(position, size_class.end - position);
    if (inode && AddName(*name, context->options, *inode)) {
      counters.LowerItemsTotal(1);
      continue;
    }
    std::optional<Inode> complete =
        std::exchange(inode, MakeInode(*name, position, context->options));
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

// Takes the inodes of a chunk one stage on; errors of earlier stages pass.
Task<Chunk> ReadChunk(ReconcileContextPtr context, ContentPart part, Chunk chunk,
                      std::stop_token stop) {
  co_await context->deps.scope.executor().YieldIfBusy();
  CandidatePages pages(*context->deps.candidates);
  std::vector<ItemError> errors;
  Chunk result;
  result.reserve(chunk.size());
  for (InodeItem& item : chunk) {
    auto* inode = std::get_if<Inode>(&item);
    bool keep = inode == nullptr;
    if (!keep) keep = co_await ReadPart(part, *context, stop, pages, *inode, errors);
    if (keep) result.push_back(std::move(item));
  }
  for (ItemError& error : errors) result.emplace_back(std::move(error));
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
// group by group. The source is read to its end first.
AsyncGenerator<InodeItem> Refine(AsyncGenerator<InodeItem> inodes, ContentPart part,
                                 std::uint64_t size, ReconcileContextPtr context) {
  Executor& executor = context->deps.scope.executor();
  const std::uint64_t bytes_each =
      part == ContentPart::kWhole ? size : std::min(size, kContentEndBytes);
  auto chunks = InChunks(std::move(inodes), bytes_each) |
                TransformConcurrently(context->deps.scope, context->options.concurrency,
                                      ChunkReader{context, part});
  InodeSpool spool(context->spool());
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
    for (; inode != nullptr && inode->key == key; inode = ahead.Next()) {
      tally.AddInode(inode->name.file.stat.device);
      if (++count % kYieldItems == 0) co_await executor.YieldIfBusy();
    }
    for (; count > 0; --count) {
      const Inode* copy = behind.Next();
      if (tally.Suffices(context->options)) co_yield InodeItem(*copy);
    }
  }
}

}  // namespace

AsyncGenerator<GroupItem> LargeClassGroups(SizeClass size_class, ReconcileContextPtr context) {
  Executor& executor = context->deps.scope.executor();
  AsyncGenerator<InodeItem> inodes = InodesOf(size_class, context);
  for (const ContentPart part : size_class.stages()) {
    inodes = Refine(std::move(inodes), part, size_class.size, context);
  }
  CandidatePages pages(*context->deps.candidates);
  std::unique_ptr<Group> group;
  ContentKey key;
  std::uint64_t names = 0;
  while (auto item = co_await inodes.Next()) {
    if (auto* error = std::get_if<ItemError>(&*item)) {
      co_yield GroupItem(std::move(*error));
      continue;
    }
    ThrowIfStopRequested(context->deps.scope.stop_token());
    const Inode inode = std::get<Inode>(*std::move(item));
    if (group && inode.key != key) {
      co_await group->Finish(executor);
      if (group->MakesPlan()) co_yield GroupItem(std::move(group));
      group.reset();
    }
    if (!group) group = std::make_unique<Group>(context, *inode.key.of(ContentPart::kWhole));
    key = inode.key;
    for (std::uint64_t i = 0; i < inode.names; ++i) {
      if (++names % kDigestChunkItems == 0) co_await executor.YieldIfBusy();
      auto name = CheckedName(inode, inode.position + i, *context, pages);
      if (auto* error = std::get_if<ItemError>(&name)) {
        co_yield GroupItem(std::move(*error));
        continue;
      }
      group->Add(std::get<CandidateFile>(std::move(name)));
      if (group->merge_due()) co_await group->Merge(executor);
    }
  }
  if (group) {
    co_await group->Finish(executor);
    if (group->MakesPlan()) co_yield GroupItem(std::move(group));
  }
  co_yield GroupItem(DecidedUpTo{.end = size_class.end, .bytes = size_class.bytes()});
}

}  // namespace sluice
