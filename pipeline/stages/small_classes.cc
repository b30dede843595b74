#include "pipeline/stages/small_classes.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/candidate_pages.h"
#include "pipeline/stages/digest.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/inode.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"

namespace sluice {

namespace {

using Batch = std::vector<SizeClass>;
using Inodes = std::vector<Inode>;

// Puts small classes together as long as they fit; one that does not fit alone is a batch.
AsyncGenerator<Batch> SmallBatches(SizeClassReader* classes) {
  Batch batch;
  std::uint64_t names = 0;
  std::uint64_t bytes = 0;
  for (const SizeClass* next = co_await classes->Peek(); next != nullptr && next->small();
       next = co_await classes->Peek()) {
    const bool fits = names + next->name_count() <= kSmallClassNames &&
                      bytes + next->bytes() <= kDigestChunkBytes;
    if (!batch.empty() && !fits) {
      co_yield std::exchange(batch, {});
      names = bytes = 0;
      continue;
    }
    names += next->name_count();
    bytes += next->bytes();
    batch.push_back(classes->Take());
  }
  if (!batch.empty()) co_yield std::move(batch);
}

// Decides one small class.
class Decision final {
 public:
  Decision(const ReconcileContextPtr& context, const std::stop_token& stop, SizeClass size_class)
      : context_(context),
        stop_(stop),
        inodes_(InodesOf(size_class, *context)),
        pages_(*context->deps.candidates, size_class.first, std::move(size_class.names)) {}

  // Appends what there is to hand on.
  Task<> Run(std::span<const ContentPart> stages, std::vector<GroupItem>& out) {
    for (const ContentPart part : stages) {
      co_await Read(part);
      std::sort(inodes_.begin(), inodes_.end(), ByContent());
      DropLoneInodes();
    }
    for (ItemError& error : errors_) out.emplace_back(std::move(error));
    for (auto first = inodes_.begin(); first != inodes_.end();) {
      const auto last = EndOfGroup(first);
      AppendGroup(first, last, out);
      first = last;
    }
  }

 private:
  static Inodes InodesOf(const SizeClass& size_class, const ReconcileContext& context) {
    Inodes inodes;
    std::uint64_t position = size_class.first;
    for (const CandidateFile& name : size_class.names) {
      if (inodes.empty() || !AddName(name, context.options, inodes.back())) {
        inodes.push_back(MakeInode(name, position, context.options));
      }
      ++position;
    }
    context.deps.counters.group.Add(inodes.size(), inodes.size() * size_class.size);
    context.deps.counters.LowerItemsTotal(size_class.names.size() - inodes.size());
    return inodes;
  }

  Task<> Read(ContentPart part) {
    Inodes read;
    for (Inode& inode : inodes_) {
      const bool ok = co_await ReadPart(part, *context_, stop_, pages_, inode, errors_);
      if (ok) read.push_back(std::move(inode));
    }
    inodes_ = std::move(read);
  }

  // Inodes that are not one of enough copies.
  void DropLoneInodes() {
    auto kept = inodes_.begin();
    for (auto first = inodes_.begin(); first != inodes_.end();) {
      const auto last = EndOfGroup(first);
      CopyTally tally;
      for (auto inode = first; inode != last; ++inode) {
        tally.AddInode(inode->name.file.stat.device);
      }
      if (!tally.Suffices(context_->options)) {
        first = last;
      } else if (kept == first) {
        kept = first = last;
      } else {
        while (first != last) *kept++ = std::move(*first++);
      }
    }
    inodes_.erase(kept, inodes_.end());
  }

  Inodes::iterator EndOfGroup(Inodes::iterator first) {
    return std::find_if(first, inodes_.end(),
                        [first](const Inode& inode) { return inode.key != first->key; });
  }

  void AppendGroup(Inodes::iterator first, Inodes::iterator last, std::vector<GroupItem>& out) {
    auto group = std::make_unique<Group>(context_, *first->key.of(ContentPart::kWhole));
    for (auto inode = first; inode != last; ++inode) {
      for (std::uint64_t i = 0; i < inode->names; ++i) {
        auto name = CheckedName(*inode, inode->position + i, *context_, pages_);
        if (auto* error = std::get_if<ItemError>(&name)) {
          out.emplace_back(std::move(*error));
        } else {
          group->Add(std::get<CandidateFile>(std::move(name)));
        }
      }
    }
    group->Finish();
    if (group->MakesPlan()) out.emplace_back(std::move(group));
  }

  const ReconcileContextPtr& context_;
  const std::stop_token& stop_;
  Inodes inodes_;
  CandidatePages pages_;
  std::vector<ItemError> errors_;
};

Task<std::vector<GroupItem>> DecideBatch(ReconcileContextPtr context, Batch batch,
                                         std::stop_token stop) {
  co_await context->deps.scope.executor().YieldIfBusy();
  std::vector<GroupItem> decided;
  DecidedUpTo up_to{.end = batch.back().end};
  for (SizeClass& size_class : batch) {
    up_to.bytes += size_class.bytes();
    const std::span<const ContentPart> stages = size_class.stages();
    Decision decision(context, stop, std::move(size_class));
    co_await decision.Run(stages, decided);
  }
  decided.emplace_back(up_to);
  co_return decided;
}

struct BatchDecider {
  ReconcileContextPtr context;
  Task<std::vector<GroupItem>> operator()(Batch batch, std::stop_token stop) const {
    return DecideBatch(context, std::move(batch), std::move(stop));
  }
};

}  // namespace

AsyncGenerator<GroupItem> SmallClassGroups(SizeClassReader* classes, ReconcileContextPtr context) {
  auto batches = SmallBatches(classes) |
                 TransformConcurrently(context->deps.scope, context->options.concurrency,
                                       BatchDecider{context});
  while (auto batch = co_await batches.Next()) {
    for (GroupItem& item : *batch) co_yield std::move(item);
  }
}

}  // namespace sluice
