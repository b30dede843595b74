#include "pipeline/stages/small_classes.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/hasher.h"
#include "pipeline/ops/transform_concurrently.h"
#include "pipeline/stages/busy_time.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/digest.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/inode.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"

namespace sluice {

namespace {

using Batch = std::vector<SizeClass>;

// Puts small classes together as long as they fit; one that does not fit alone is a batch.
AsyncGenerator<Batch> SmallBatches(SizeClassReader* classes) {
  Batch batch;
  std::uint64_t inodes = 0;
  std::size_t name_bytes = 0;
  std::uint64_t bytes = 0;
  for (const SizeClass* next = co_await classes->Peek(); next != nullptr && next->small();
       next = co_await classes->Peek()) {
    const bool fits = inodes + next->inodes <= kSmallBatchInodes &&
                      name_bytes + next->name_bytes <= kSmallClassNameBytes &&
                      bytes + next->bytes() <= kDigestChunkBytes;
    if (!batch.empty() && !fits) {
      co_yield std::exchange(batch, {});
      inodes = bytes = 0;
      name_bytes = 0;
      continue;
    }
    inodes += next->inodes;
    name_bytes += next->name_bytes;
    bytes += next->bytes();
    batch.push_back(classes->Take());
  }
  if (!batch.empty()) co_yield std::move(batch);
}

// Decides one small class, step by step: those of a batch take their steps in turn, so that while
// one reads a part of its files, the parts that the others have asked for come from the disk. Each
// file is opened once, and stays open from its first part to its last; one that is its own prefix
// is read once, and its bytes are kept until it is known whether they are to be digested.
class Decision final {
 public:
  Decision(const ReconcileContext& context, std::stop_token stop, SizeClass size_class)
      : context_(context),
        size_class_(std::move(size_class)),
        stages_(size_class_.stages()),
        reader_(context, std::move(stop)),
        members_(MembersOf(size_class_, context)) {}

  // Begins to read what Step reads.
  void ReadAhead() {
    KeepContents();
    ReadAhead(stages_.front());
  }

  // All stages are done.
  bool done() const { return stages_.empty(); }

  // Reads the files' next part, lets go of those that it tells from all others, and begins to read
  // the part after it. Appends what is known of these. REQUIRES: ReadAhead was called, not done().
  Task<> Step(std::vector<GroupItem>& out) {
    const ContentPart part = stages_.front();
    stages_ = stages_.subspan(1);
    co_await Read(part);
    const ByContent by_content(part);
    std::ranges::sort(members_, by_content, &Member::inode);
    DropLoneInodes(by_content, out);
    if (members_.empty()) stages_ = {};
    if (!done()) ReadAhead(stages_.front());
  }

  // Appends what there is to hand on. REQUIRES: done(). Once.
  void Finish(const ReconcileContextPtr& context, std::vector<GroupItem>& out) {
    for (auto first = members_.begin(); first != members_.end();) {
      const auto last = EndOfGroup(first, ByContent());
      AppendGroup(context, first, last, out);
      first = last;
    }
    for (ItemError& error : reader_.TakeErrors()) out.emplace_back(std::move(error));
  }

 private:
  struct Member {
    Inode inode;
    OpenedFile file;
    std::span<std::uint8_t> content;  // All of it, when its prefix has been read.
  };
  using Members = std::vector<Member>;

  static Members MembersOf(SizeClass& size_class, const ReconcileContext& context) {
    const DigestAlgorithm algorithm = context.options.digest_algorithm;
    Members members;
    members.reserve(size_class.inodes);
    Knowledge knowledge;
    std::uint64_t position = size_class.first;
    for (CandidateFile& name : size_class.names) {
      if (!members.empty() && knowledge.Add(name, algorithm)) {
        ++members.back().inode.names;
      } else {
        knowledge = Knowledge(name, algorithm);
        members.push_back({.inode = {.name = name, .position = position, .key = {}}});
      }
      members.back().inode.key = knowledge.key();
      ++position;
    }
    context.deps.counters.group.Add(members.size(), members.size() * size_class.size);
    context.deps.counters.LowerItemsTotal(size_class.names.size() - members.size());
    return members;
  }

  // Room for the files that are their own prefix, unless its digest is the one that is wanted.
  void KeepContents() {
    const std::uint64_t size = size_class_.size;
    const bool prefix_first = stages_.front() == ContentPart::kPrefix;
    if (!prefix_first || size > kContentEndBytes ||
        context_.options.digest_algorithm == ContentKey::kStageAlgorithm) {
      return;
    }
    contents_ = std::make_unique_for_overwrite<std::uint8_t[]>(members_.size() * size);
    std::uint8_t* next = contents_.get();
    for (Member& member : members_) {
      if (!member.inode.key.of(ContentPart::kPrefix)) member.content = {next, size};
      next += size;
    }
  }

  void ReadAhead(ContentPart part) {
    for (Member& member : members_) {
      const bool in_memory = part == ContentPart::kWhole && !member.content.empty();
      if (!in_memory) reader_.ReadAhead(part, member.inode, member.file);
    }
  }

  Task<> Read(ContentPart part) {
    const DigestAlgorithm algorithm = context_.options.digest_algorithm;
    // Members are large, and most often all of them stay: they are moved only to close a gap.
    auto read = members_.begin();
    for (Member& member : members_) {
      std::optional<Digest>& whole = member.inode.key.of(ContentPart::kWhole);
      if (part == ContentPart::kWhole && !whole && !member.content.empty()) {
        whole = DigestOf(algorithm, member.content);
      }
      const bool ok = co_await reader_.Read(part, member.inode, member.file, &member.content);
      if (ok) Keep(member, read);
    }
    members_.erase(read, members_.end());
  }

  // Inodes that are not one of enough copies.
  void DropLoneInodes(const ByContent& by_content, std::vector<GroupItem>& out) {
    auto kept = members_.begin();
    for (auto first = members_.begin(); first != members_.end();) {
      const auto last = EndOfGroup(first, by_content);
      CopyTally tally;
      for (auto member = first; member != last; ++member) {
        tally.AddInode(member->inode.name.file.stat.device);
      }
      const bool suffices = tally.Suffices(context_.options);
      for (; first != last; ++first) {
        if (suffices) {
          Keep(*first, kept);
        } else {
          HandOnKnown(first->inode, out);
        }
      }
    }
    members_.erase(kept, members_.end());
  }

  // Makes a member the last of those that stay.
  static void Keep(Member& member, Members::iterator& end) {
    if (&*end != &member) *end = std::move(member);
    ++end;
  }

  static void HandOnKnown(const Inode& inode, std::vector<GroupItem>& out) {
    if (!inode.key.empty()) out.emplace_back(inode.known());
  }

  Members::iterator EndOfGroup(Members::iterator first, const ByContent& by_content) {
    return std::find_if(first, members_.end(), [first, &by_content](const Member& member) {
      return !by_content.Same(member.inode.key, first->inode.key);
    });
  }

  void AppendGroup(const ReconcileContextPtr& context, Members::iterator first,
                   Members::iterator last, std::vector<GroupItem>& out) {
    auto group = std::make_unique<Group>(context, *first->inode.key.of(ContentPart::kWhole));
    for (; first != last; ++first) {
      const Inode& inode = first->inode;
      HandOnKnown(inode, out);
      for (std::uint64_t i = 0; i < inode.names; ++i) {
        const std::uint64_t position = inode.position + i;
        const CandidateFile& name = size_class_.names[position - size_class_.first];
        if (SameVersion(name.file.stat, inode.name.file.stat)) {
          group->Add(name);
        } else {
          out.emplace_back(ChangedSinceRecorded(name.file.path));
        }
      }
    }
    group->Finish();
    if (group->MakesPlan()) out.emplace_back(std::move(group));
  }

  const ReconcileContext& context_;
  SizeClass size_class_;
  std::span<const ContentPart> stages_;  // Those that are not done.
  InodeReader reader_;
  Members members_;
  std::unique_ptr<std::uint8_t[]> contents_;
};

Task<std::vector<GroupItem>> DecideBatch(ReconcileContextPtr context, Batch batch,
                                         std::stop_token stop) {
  co_await context->deps.scope.executor().YieldIfBusy();
  const BusyTime busy(context->deps.counters.digest);
  DecidedUpTo up_to{.end = batch.back().end};
  std::deque<Decision> decisions;
  for (SizeClass& size_class : batch) {
    up_to.bytes += size_class.bytes();
    decisions.emplace_back(*context, stop, std::move(size_class)).ReadAhead();
  }
  std::vector<GroupItem> decided;
  for (bool all_done = false; !all_done;) {
    all_done = true;
    for (Decision& decision : decisions) {
      if (!decision.done()) co_await decision.Step(decided);
      all_done = all_done && decision.done();
    }
  }
  for (; !decisions.empty(); decisions.pop_front()) decisions.front().Finish(context, decided);
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
  auto batches =
      SmallBatches(classes) |
      TransformConcurrently(context->deps.scope, context->options.concurrency,
                            BatchDecider{context}, Order::kSource, context->options.concurrency);
  while (auto batch = co_await batches.Next()) {
    for (GroupItem& item : *batch) co_yield std::move(item);
  }
}

}  // namespace sluice
