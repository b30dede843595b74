#include "pipeline/stages/reconcile.h"

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/group.h"
#include "pipeline/stages/large_class.h"
#include "pipeline/stages/plan.h"
#include "pipeline/stages/reconcile_context.h"
#include "pipeline/stages/size_class.h"
#include "pipeline/stages/small_classes.h"

namespace sluice {

template <>
struct SpoolCodec<Plan> {
  static void Encode(const Plan& plan, std::string* out) {
    AppendValue(plan.digest, out);
    AppendValue(plan.within_scan.has_value(), out);
    AppendValue(plan.within_scan.value_or(0), out);
    AppendValue(plan.size, out);
    AppendValue(plan.copies.size(), out);
    for (const PlanCopy& copy : plan.copies) SpoolCodec<PlanCopy>::Encode(copy, out);
    SpoolCodec<FileEntry>::Encode(plan.source_of_truth, out);
    AppendValue(plan.deciding_criterion, out);
    AppendBytes(plan.deciding_pattern, out);
    AppendBytes(plan.reason, out);
    AppendValue(plan.action, out);
    AppendValue(plan.recoverable_bytes, out);
    AppendValue(plan.part, out);
    AppendValue(plan.last_part, out);
    AppendValue(plan.total_copies, out);
    AppendValue(plan.total_recoverable_bytes, out);
  }

  static Plan Decode(std::string_view* in) {
    Plan plan;
    plan.digest = TakeValue<Digest>(in);
    const bool within_scan = TakeValue<bool>(in);
    const auto scan = TakeValue<std::uint32_t>(in);
    if (within_scan) plan.within_scan = scan;
    plan.size = TakeValue<std::uint64_t>(in);
    const auto copies = TakeValue<std::size_t>(in);
    plan.copies.reserve(copies);
    while (plan.copies.size() < copies) plan.copies.push_back(SpoolCodec<PlanCopy>::Decode(in));
    plan.source_of_truth = SpoolCodec<FileEntry>::Decode(in);
    plan.deciding_criterion = TakeValue<KeepRule::Criterion>(in);
    plan.deciding_pattern = TakeBytes(in);
    plan.reason = TakeBytes(in);
    plan.action = TakeValue<Action>(in);
    plan.recoverable_bytes = TakeValue<std::uint64_t>(in);
    plan.part = TakeValue<std::uint32_t>(in);
    plan.last_part = TakeValue<bool>(in);
    plan.total_copies = TakeValue<std::uint64_t>(in);
    plan.total_recoverable_bytes = TakeValue<std::uint64_t>(in);
    return plan;
  }

  static std::size_t SizeInMemory(const Plan& plan) {
    std::size_t size = sizeof plan + plan.source_of_truth.path.capacity() +
                       plan.deciding_pattern.capacity() + plan.reason.capacity();
    for (const PlanCopy& copy : plan.copies) size += SpoolCodec<PlanCopy>::SizeInMemory(copy);
    return size;
  }
};

namespace {

// The parts of a plan follow each other.
struct LargestFirst {
  bool operator()(const Plan& a, const Plan& b) const {
    return std::tie(b.total_recoverable_bytes, a.digest, a.within_scan, a.part) <
           std::tie(a.total_recoverable_bytes, b.digest, b.within_scan, b.part);
  }
};

AsyncGenerator<GroupItem> NextGroups(SizeClassReader* classes, bool small,
                                     ReconcileContextPtr context) {
  if (small) return SmallClassGroups(classes, std::move(context));
  return LargeClassGroups(classes, std::move(context));
}

// Says when a checkpoint is worth its while. A job may go on for days without a plan, and must not
// begin anew then; but a checkpoint for every few small files would be as many as there are plans.
class CheckpointPacer final {
 public:
  explicit CheckpointPacer(std::uint64_t start_position) : last_(start_position) {}

  void OnItem() { due_ = true; }
  bool IsDue(const DecidedUpTo& decided) {
    bytes_ += decided.bytes;
    due_ = due_ || bytes_ >= kCheckpointBytes || decided.end - last_ >= kCheckpointNames;
    return due_;
  }
  std::uint64_t last() const { return last_; }

  ReconcileItem Checkpoint(std::uint64_t position) {
    last_ = position;
    bytes_ = 0;
    due_ = false;
    return ReconcileCheckpoint{.position = position};
  }

 private:
  std::uint64_t last_;
  std::uint64_t bytes_ = 0;
  bool due_ = false;  // Something was yielded, or enough is decided.
};

// The names that are still to be decided, beside the inodes that the counters hold already.
void PublishTotal(const ReconcileContext& context) {
  const std::uint64_t names = context.deps.candidates->size();
  const std::uint64_t start = context.options.start_position;
  if (names <= start) return;
  PipelineCounters& counters = context.deps.counters;
  const std::uint64_t done = counters.group.items.load(std::memory_order_relaxed);
  counters.items_total.store(done + names - start, std::memory_order_relaxed);
}

// Collects what is known of contents, to hand it on in few pieces: but not so few that much of what
// was read were lost with the process.
class KnownBuffer final {
 public:
  // True when it is time to Take.
  bool Add(const KnownContent& known) {
    contents_.push_back(known);
    bytes_ += known.size;
    return contents_.size() == kMaxKnownContents || bytes_ >= kCheckpointBytes;
  }
  bool empty() const { return contents_.empty(); }
  ReconcileItem Take() {
    bytes_ = 0;
    return std::exchange(contents_, {});
  }

 private:
  KnownContents contents_;
  std::uint64_t bytes_ = 0;
};

// Plans in the order of their classes, and checkpoints between them.
AsyncGenerator<ReconcileItem> FindPlans(ReconcileContextPtr context) {
  PublishTotal(*context);
  SizeClassReader classes(context);
  CheckpointPacer pacer(context->options.start_position);
  KnownBuffer known;
  while (const SizeClass* next = co_await classes.Peek()) {
    AsyncGenerator<GroupItem> groups = NextGroups(&classes, next->small(), context);
    while (auto item = co_await groups.Next()) {
      ThrowIfStopRequested(context->deps.scope.stop_token());
      if (const auto* content = std::get_if<KnownContent>(&*item)) {
        if (known.Add(*content)) co_yield known.Take();
        continue;
      }
      if (const auto* decided = std::get_if<DecidedUpTo>(&*item)) {
        if (!pacer.IsDue(*decided)) continue;
        if (!known.empty()) co_yield known.Take();
        co_yield pacer.Checkpoint(decided->end);
        continue;
      }
      pacer.OnItem();
      if (auto* error = std::get_if<ItemError>(&*item)) {
        co_yield ReconcileItem(std::move(*error));
        continue;
      }
      PlanParts parts(std::get<std::unique_ptr<Group>>(*std::move(item)));
      while (auto part = parts.Next()) co_yield ReconcileItem(*std::move(part));
    }
  }
  if (!known.empty()) co_yield known.Take();
  if (classes.position() != pacer.last()) co_yield pacer.Checkpoint(classes.position());
}

// Errors and contents as they come, then the plans by what they give back. There is no going on
// half way, so checkpoints say nothing here; but what is known need not be read again.
AsyncGenerator<ReconcileItem> SortLargestFirst(AsyncGenerator<ReconcileItem> source,
                                               ReconcileContextPtr context) {
  Executor& executor = context->deps.scope.executor();
  SortedSpool<Plan, LargestFirst> spool(context->spool());
  while (auto item = co_await source.Next()) {
    if (auto* plan = std::get_if<Plan>(&*item)) {
      spool.Add(std::move(*plan));
      if (spool.merge_due()) co_await spool.Merge(executor);
    } else if (!std::holds_alternative<ReconcileCheckpoint>(*item)) {
      co_yield *std::move(item);
    }
  }
  co_await spool.Finish(executor);
  auto cursor = spool.Read();
  while (const Plan* next = cursor.Next()) co_yield ReconcileItem(*next);
}

AsyncGenerator<ReconcileItem> CountPlans(AsyncGenerator<ReconcileItem> source,
                                         ReconcileContextPtr context) {
  while (auto item = co_await source.Next()) {
    ThrowIfStopRequested(context->deps.scope.stop_token());
    const auto* plan = std::get_if<Plan>(&*item);
    if (plan != nullptr && plan->part == 1) {
      context->deps.counters.plan.Add(1, plan->total_recoverable_bytes);
    }
    co_yield *std::move(item);
  }
}

}  // namespace

AsyncGenerator<ReconcileItem> Reconcile(ReconcileOptions options, ReconcileDeps deps) {
  using Order = ReconcileOptions::Order;
  assert(options.concurrency >= 1);
  assert(options.start_position == 0 || options.order == Order::kByPotential);
  const auto context =
      std::make_shared<const ReconcileContext>(std::move(options), std::move(deps));
  AsyncGenerator<ReconcileItem> plans = FindPlans(context);
  if (context->options.order == Order::kLargestFirst) {
    plans = SortLargestFirst(std::move(plans), context);
  }
  return CountPlans(std::move(plans), context);
}

}  // namespace sluice
