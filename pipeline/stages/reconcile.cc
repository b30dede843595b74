#include "pipeline/stages/reconcile.h"

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
#include "pipeline/async/status_error.h"
#include "pipeline/fs/sorted_spool.h"
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
    AppendValue(plan.number, out);
    AppendValue(plan.digest, out);
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
    plan.number = TakeValue<std::uint64_t>(in);
    plan.digest = TakeValue<Digest>(in);
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
    return std::tie(b.total_recoverable_bytes, a.number, a.part) <
           std::tie(a.total_recoverable_bytes, b.number, b.part);
  }
};

AsyncGenerator<GroupItem> NextGroups(SizeClassReader* classes, ReconcileContextPtr context) {
  if (classes->Peek()->small()) return SmallClassGroups(classes, std::move(context));
  return LargeClassGroups(classes->Take(), std::move(context));
}

// Plans in the order of their classes, numbered as they are found.
AsyncGenerator<ReconcileItem> FindPlans(ReconcileContextPtr context) {
  SizeClassReader classes(context);
  std::uint64_t plans = 0;
  while (classes.Peek() != nullptr) {
    AsyncGenerator<GroupItem> groups = NextGroups(&classes, context);
    while (auto item = co_await groups.Next()) {
      ThrowIfStopRequested(context->deps.scope.stop_token());
      if (auto* error = std::get_if<ItemError>(&*item)) {
        co_yield ReconcileItem(std::move(*error));
        continue;
      }
      PlanParts parts(std::get<std::unique_ptr<Group>>(*std::move(item)), ++plans);
      while (auto part = parts.Next()) co_yield ReconcileItem(*std::move(part));
    }
  }
}

// Errors as they come, then the plans by what they give back, numbered in that order.
AsyncGenerator<ReconcileItem> SortLargestFirst(AsyncGenerator<ReconcileItem> source,
                                               ReconcileContextPtr context) {
  SortedSpool<Plan, LargestFirst> spool(context->spool());
  while (auto item = co_await source.Next()) {
    if (auto* plan = std::get_if<Plan>(&*item)) {
      spool.Add(std::move(*plan));
    } else {
      co_yield *std::move(item);
    }
  }
  spool.Finish();
  auto cursor = spool.Read();
  std::uint64_t number = 0;
  while (const Plan* next = cursor.Next()) {
    Plan plan = *next;
    if (plan.part == 1) ++number;
    plan.number = number;
    co_yield ReconcileItem(std::move(plan));
  }
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
  assert(options.concurrency >= 1);
  const auto context =
      std::make_shared<const ReconcileContext>(std::move(options), std::move(deps));
  AsyncGenerator<ReconcileItem> plans = FindPlans(context);
  if (context->options.order == ReconcileOptions::Order::kLargestFirst) {
    plans = SortLargestFirst(std::move(plans), context);
  }
  return CountPlans(std::move(plans), context);
}

}  // namespace sluice
